-- The months that a Japanese text names, as numbers.
create macro japanese_months(sentence) as
    list_transform(
        regexp_extract_all(sentence, '(?:^|[^数かカヶケ0-9０-９一二三四五六七八九十])([0-9０-９]{1,2}|[一二三四五六七八九]|十[一二]?)月(?:[^面光見日]|$|[0-9])', 1),
        lambda phrase: amount_in_japanese(phrase)
    );
