-- A regular expression for an answer that is a choice letter in full-width letters, katakana or another order of
-- choices.
create macro kana_letter() as
    '[(（「]?(?:[Ａ-Ｊａ-ｊa-j]|[アイウエオ]|[あいうえお]|[甲乙丙丁]|エー|エイ|ビー|シー|ディー|イー|エフ)[)）」]?(?:[.．。]|です。?)?';
