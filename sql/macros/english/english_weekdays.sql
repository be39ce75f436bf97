-- The days of the week that an English text names, as the kanji of the day.
create macro english_weekdays(sentence) as
    list_transform(
        regexp_extract_all(lower(sentence), '\b((?:sun|mon|tues|wednes|thurs|fri|satur))days?\b', 1),
        lambda day: substring('日月火水木金土', list_position(['sun', 'mon', 'tues', 'wednes', 'thurs', 'fri', 'satur'], day), 1)
    );
