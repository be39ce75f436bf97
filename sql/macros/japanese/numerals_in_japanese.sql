-- The values of the digits and kanji numerals in a Japanese text, as often as they stand there, without 0 and 1.
create macro numerals_in_japanese(sentence) as
    list_filter(
        list_transform(
            regexp_extract_all(
                sentence,
                '[0-9０-９]+(?:[,，][0-9０-９]{3})*(?:[.．][0-9０-９]+)?(?:[十百千万億兆]+[0-9０-９]*(?:[,，][0-9０-９]{3})*)*'
                || '|[〇零一二三四五六七八九十百千万億兆]+'
            ),
            lambda phrase: round(amount_in_japanese(phrase), 4)
        ),
        lambda number: number > 1
    );
