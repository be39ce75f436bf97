-- A piece of a text of at most 120 letters that stands several times in a row: one letter six times, two or three letters
-- four times, four to twenty letters three times; null without one.
create macro repeated_unit(sentence) as
    list_filter(
        flatten(
            list_transform(
                [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 16, 20],
                lambda width: list_transform(
                    range(1, length(sentence) - 2 * width + 2),
                    lambda place: substring(sentence, place, width)
                )
            )
        ),
        lambda unit: contains(sentence, repeat(unit, case when length(unit) = 1 then 6 when length(unit) <= 3 then 4 else 3 end))
            and regexp_full_match(unit, '[\p{Hiragana}\p{Katakana}\p{Han}ー、。・！？]+')
            and regexp_matches(unit, '[\p{Hiragana}\p{Katakana}\p{Han}]')
    )[1];
