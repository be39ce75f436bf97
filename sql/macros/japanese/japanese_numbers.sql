-- The values of all digits and kanji numerals in a Japanese text, those inside of words included.
create macro japanese_numbers(sentence) as
    list_distinct(
        list_transform(
            list_distinct(regexp_extract_all(
                sentence,
                '[0-9０-９]+(?:[,，][0-9０-９]{3})*(?:[.．][0-9０-９]+)?(?:[十百千万億兆]+[0-9０-９]*(?:[,，][0-9０-９]{3})*)*'
                || '|[〇零一二三四五六七八九十百千万億兆]+'
            )),
            lambda phrase: round(amount_in_japanese(phrase), 4)
        )
    );
