-- The days of the week that a Japanese text names, as the kanji of the day.
create macro japanese_weekdays(sentence) as
    list_concat(
        regexp_extract_all(sentence, '([日月火水木金土])曜', 1),
        regexp_extract_all(sentence, '日\s?[（(]([日月火水木金土])[）)]', 1)
    );
