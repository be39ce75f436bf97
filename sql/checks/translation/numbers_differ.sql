-- One row per turn with a number that its original does not have, or without a number of its original. Digits of both
-- widths, kanji numerals and English number words are compared by their value. A number that is there once more while
-- another is there once less has changed, too, and so have a month, a day of the week, a.m. and p.m. that are replaced
-- by others, and an answer that is nothing but a number.
-- severity: reject
--
-- sample_id   the sample
-- turn_index  the turn, from 0
-- evidence    the numbers that are lost and added, and the beginning of both texts
with numbered as materialized (
    select
        sample_id,
        turn_index,
        "text",
        original,
        english_numbers(original) as originals,
        japanese_numbers("text") as numbers
    from turns
    where original is not null
        and (regexp_matches(original, english_numeral()) or regexp_matches("text", japanese_numeral()))
),
compared as materialized (
    select
        *,
        list_filter(originals, lambda number: not list_contains(numbers, number)) as lost,
        list_filter(japanese_counts("text"), lambda number: not list_contains(originals, number)) as added
    from numbered
    where not list_has_all(numbers, originals) or not list_has_all(originals, numbers)
),
unexplained as (
    select
        sample_id,
        turn_index,
        "text",
        original,
        list_filter(lost, lambda number: not is_number_in_other_words(number, "text", numbers)) as lost,
        list_filter(added, lambda number: not has_source_in_english(number, original, originals, "text")) as added
    from compared
    where len(lost) > 0 or len(added) > 0
),
counted as materialized (
    select
        sample_id,
        turn_index,
        "text",
        original,
        originals,
        numerals_in_english(original) as all_originals,
        numerals_in_japanese("text") as all_numbers
    from numbered
    where len(originals) >= 2
        and len(originals) = len(numbers)
        and not contains(original, '[')
        and list_has_all(numbers, originals)
),
weekdays as (
    select
        sample_id,
        turn_index,
        "text",
        original,
        japanese_weekdays("text") as days,
        english_weekdays(original) as original_days
    from turns
    where original is not null
        and (contains("text", '曜') or contains("text", '日（') or contains("text", '日('))
),
replaced as (
    from (
        select
            sample_id,
            turn_index,
            "text",
            original,
            array_to_string(days, ' ') as added,
            array_to_string(original_days, ' ') as lost
        from weekdays
        where not list_has_all(original_days, days) and not list_has_all(days, original_days)
    )
    union all
    from (
        select
            sample_id,
            turn_index,
            "text",
            original,
            japanese_months("text")::varchar as added,
            english_months(original)::varchar as lost
        from numbered
        where contains("text", '月')
            and len(japanese_months("text")) > 0
            and len(english_months(original)) > 0
            and not list_has_all(english_months(original), japanese_months("text"))
            and not list_has_all(japanese_months("text"), english_months(original))
    )
    union all
    from (
        select sample_id, turn_index, "text", original, '午前' as added, 'p.m.' as lost
        from turns
        where contains("text", '午前')
            and regexp_matches(original, '(?i)\bp\.?m\b|\bafternoon|\bevening')
            and not regexp_matches(original, '(?i)\ba\.?m\b|[0-9]am\b|morning|\bnoon\b|night')
    )
    union all
    from (
        select sample_id, turn_index, "text", original, '午後' as added, 'a.m.' as lost
        from turns
        where contains("text", '午後')
            and regexp_matches(original, '(?i)\ba\.m\b|[0-9] ?am\b|\bmorning')
            and not regexp_matches(original, '(?i)\bp\.?m\b|[0-9]pm\b|\bnoon\b|afternoon|evening|night')
    )
    union all
    from (
        select sample_id, turn_index, "text", original, '' as added, original as lost
        from turns
        where length(original) < 6
            and regexp_full_match(original, '(?i)(?:0|1|zero|one)\.?')
            and not regexp_matches(
                "text",
                case
                    when regexp_full_match(original, '(?i)(?:1|one)\.?') then '[1１一]|ひと|ワン|(?i:one)'
                    else '[0０〇零]|ゼロ|な[いし]|ません|(?i:zero)'
                end
            )
    )
    union all
    from (
        select sample_id, turn_index, "text", original, '' as added, '半' as lost
        from numbered
        where contains(original, 'alf past') and not regexp_matches("text", '半|[3３][0０]|三十')
    )
    union all
    from (
        select sample_id, turn_index, "text", original, '半' as added, '' as lost
        from numbered
        where contains("text", '時半') and not regexp_matches(original, '(?i)half|30|thirty')
    )
    union all
    from (
        select sample_id, turn_index, "text", original, '' as added, array_to_string(units_lost(original, "text"), ' ') as lost
        from numbered
        where regexp_matches(original, '(?i)(?:second|minute|hour|day|week|month|year|inch|mile|kilomet|centimet|pound)')
            and len(units_lost(original, "text")) > 0
    )
    union all
    from (
        select sample_id, turn_index, "text", original, '' as added, clock_times(original)::varchar as lost
        from numbered
        where contains("text", '時')
            and contains(original, ':')
            and len(clock_times("text")) > 0
            and len(clock_times(original)) > 0
            and not list_has_any(clock_times(original), clock_times("text"))
    )
    union all
    from (
        select sample_id, turn_index, "text", original, added::varchar as added, lost::varchar as lost
        from (
            select
                *,
                list_filter(
                    originals,
                    lambda number:
                        len(list_filter(all_originals, lambda one: one = number))
                            > len(list_filter(all_numbers, lambda one: one = number))
                        and not is_number_in_other_words(number, "text", originals)
                ) as lost,
                list_filter(
                    originals,
                    lambda number:
                        len(list_filter(all_originals, lambda one: one = number))
                            < len(list_filter(all_numbers, lambda one: one = number))
                        and not (number = 2 and has_source_in_english(number, original, originals, "text"))
                ) as added
            from counted
            where list_sort(all_numbers) <> list_sort(all_originals)
        )
        where len(lost) > 0 and len(added) > 0
    )
)
select
    sample_id,
    turn_index,
    'lost ' || lost::varchar || ', added ' || added::varchar || ': '
        || left(original, 150) || ' → ' || left("text", 150) as evidence
from unexplained
where len(lost) > 0 or len(added) > 0
union
select
    sample_id,
    turn_index,
    'lost ' || lost || ', added ' || added || ': ' || left(original, 150) || ' → ' || left("text", 150) as evidence
from replaced;
