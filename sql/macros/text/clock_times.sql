-- The times of day in an English or Japanese text, such as 3:45 and 3時45分, as minutes of twelve hours.
create macro clock_times(sentence) as
    list_transform(
        regexp_extract_all(sentence, '\b[0-9]{1,2}:[0-9]{2}\b|[0-9]{1,2}時[0-9]{1,2}分'),
        lambda phrase: (
            regexp_extract(phrase, '^[0-9]+')::integer % 12 * 60 + regexp_extract(phrase, '([0-9]+)分?$', 1)::integer
        )
    );
