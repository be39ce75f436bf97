-- A regular expression for text that was decoded with the wrong encoding, or of which only question marks are left.
create macro mojibake() as
    '[\x{C0}-\x{24F}„‰][\x{80}-\x{24F}‚-„†-™•Œœ‹›’“”–—…€Ω∂-≥ﬁﬂ◊˙˚˝˛ˇˆ˜]{3,}'  -- UTF-8 as Latin-1, Windows, Mac Roman
    || '|(?:[ãäåæçèéïâ][\x{80}-\x{BF}€‚ƒ„…†‡ˆ‰Š‹Œ‘’“”•–—˜™š›œžŸ ]{1,2}){2}'  -- the same with spaces
    || '|Ã[\x{80}-\x{BF}€‚ƒ„…†‡ˆ‰Š‹Œ‘’“”•–—˜™š›œžŸ]|â€|Â[\x{A0}-\x{BF}]|ï¼|ã€'  -- accents and quotes
    || '|[縺繧繝].{1,2}[縺繧繝]|縺[^れのら]|繧[\x{FF61}-\x{FF9F}]'  -- UTF-8 as Shift JIS
    || '|[‚ƒ„][\x{80}-\x{FF}€‚ƒ„…†‡ˆ‰Š‹Œ‘’“”•–—˜™š›œžŸA-Za-z][‚ƒ„]|ƒ[^\s]ƒ'  -- Shift JIS as Windows-1252
    || '|(?:[¤¥][\x{A0}-\x{FF}]){2}'  -- EUC-JP as Latin-1
    || '|(?:[､･][\x{FF61}-\x{FF9F}].{0,2}){3}'  -- EUC-JP as Shift JIS
    || '|[銇銈銉鍏鐨].{0,3}[銇銈銉鍏鐨]|锟斤拷|鈥\p{Han}|銈\p{Han}'  -- UTF-8 as GBK
    || '|\?{4,}|(?:\?\s?){6,}|□{3,}|■{5,}|�';
