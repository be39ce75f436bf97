-- The values of the numbers in a Japanese text that count something: digits, or kanji numerals before a counter. Words
-- such as 三つ編み and 八百屋 have a numeral without counting.
create macro japanese_counts(sentence) as
    list_distinct(
        list_transform(
            list_distinct(regexp_extract_all(
                regexp_replace(
                    sentence, '三つ編み|三日月|万年筆|四つ(?:角|ん|葉|足)|八つ(?:橋|裂|当)|十分|二(?:人三脚|段ベッド|つ折)'
                    || '|三(?:人称|つ巴)|百(?:円|均)|五本指'
                    || '|[数何幾][十百千万億]+|[十百千万]?数[十百千万]*|[0-9０-９]?[〜~]?数|七(?:五三|面鳥)|四(?:六時中|苦)|千(?:歳|枚)', '', 'g'
                ),
                '[0-9０-９]+(?:[,，][0-9０-９]{3})*(?:[.．][0-9０-９]+)?(?:[十百千万億兆]+[0-9０-９]*(?:[,，][0-9０-９]{3})*)*|[二三四五六七八九十百千万億][〇零一二三四五六七八九十百千万億]*(?:人|名|匹|頭|羽|台|本|枚|個|つ|冊|軒|杯|皿|切れ|階|番|歳|才|年|月|日|時|円|ドル|メートル'
                || '|センチ|キロ|隻|艘|機|棟|着|件|回|倍|種類|か国|か所|箇所|カ所|列|組|玉|束|袋|箱|缶|膳|株|基|段|パーセント|％|%|ページ|両編成|車線|輪の)'
            )),
            lambda phrase: round(amount_in_japanese(phrase), 4)
        )
    );
