-- A regular expression for Japanese, or accents and quotes, that was decoded with the wrong encoding.
create macro mojibake() as
    '(?:[ãäåæçèéïâ][\x{80}-\x{BF}€‚ƒ„…†‡ˆ‰Š‹Œ‘’“”•–—˜™š›œžŸ ]{1,2}){2}'  -- UTF-8 kana, kanji as Windows-1252
    || '|Ã[\x{80}-\x{BF}€‚ƒ„…†‡ˆ‰Š‹Œ‘’“”•–—˜™š›œžŸ]|â€|Â[\x{A0}-\x{BF}]|ï¼|ã€'  -- UTF-8 accents, quotes as Windows-1252
    || '|[縺繧繝].{1,2}[縺繧繝]|譁.?[怜蟄]|蛹悶|螟ｧ|莠ｺ|荳\p{Han}|縺[^れのら]|繧[\x{FF61}-\x{FF9F}]'  -- UTF-8 as Shift JIS
    || '|[‚ƒ„][\x{80}-\x{FF}€‚ƒ„…†‡ˆ‰Š‹Œ‘’“”•–—˜™š›œžŸA-Za-z][‚ƒ„]|ƒ[^\s]ƒ'  -- Shift JIS as Windows-1252
    || '|(?:¤[\x{A0}-\x{FF}]){2}|(?:[¥¤][\x{A0}-\x{FF}]){2}'  -- EUC-JP as Latin-1
    || '|(?:[､･][\x{FF61}-\x{FF9F}]){3}|､[ﾀ-ﾟ]､'  -- EUC-JP as Shift JIS
    || '|[銇鍏鐨]|锟斤拷|[鈥鏄]\p{Han}鈥|銈\p{Han}';  -- UTF-8 as GBK
