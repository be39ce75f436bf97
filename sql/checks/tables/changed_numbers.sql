-- One row per turn with a number that its original does not have, or without a number of its original. Digits of both
-- widths, kanji numerals and English number words are compared by their value; what is the same in other words is left
-- out.
--
-- text_id     ubigint   the text
-- role        varchar   user or assistant
-- text        varchar   what is said
-- original    varchar   the English text that was translated
-- lost        double[]  numbers of the original that are not there
-- added       double[]  numbers that the original does not have
with numbered as materialized (
    select
        text_id,
        role,
        "text",
        original,
        english_numbers(original) as originals,
        japanese_numbers("text") as numbers
    from texts
    where original is not null
        and (regexp_matches(original, english_numeral()) or regexp_matches("text", japanese_numeral()))
),
plain as materialized (
    select
        text_id,
        role,
        "text",
        original,
        plain_english_amounts(original) as english,
        plain_japanese_amounts("text", original) as japanese
    from numbered
    where not list_has_all(numbers, originals) or not list_has_all(originals, numbers)
),
counted as materialized (
    select *, english_numbers(english) as originals, japanese_numbers(japanese) as numbers
    from plain
),
compared as materialized (
    select
        *,
        list_filter(originals, lambda number: not list_contains(numbers, number)) as all_lost,
        list_filter(japanese_counts(japanese), lambda number: not list_contains(originals, number)) as all_added
    from counted
),
explained as (
    select
        text_id,
        role,
        "text",
        original,
        -- A case ends at the first condition that holds; outside of it, all of them would be computed.
        list_filter(
            all_lost,
            lambda number: case
                when is_number_in_other_words(number, japanese, numbers)
                    or (number >= 10 and contains(half_width("text"), try_cast(number as bigint)::varchar))
                    or (list_contains(numbers, 12 * number) and contains(original, 'dozen'))
                    or (number < 1 and list_contains(numbers, round(60 * number)))
                    or (list_contains(numbers, 10 * number) and contains(original, 'decade'))
                    then false
                else true
            end
        ) as lost,
        list_filter(
            all_added,
            lambda number: case
                when has_source_in_english(number, original, originals, "text")
                    or (number >= 10 and contains(original, try_cast(number as bigint)::varchar))
                    then false
                else true
            end
        ) as added
    from compared
    where len(all_lost) > 0 or len(all_added) > 0
)
select *
from explained
where len(lost) > 0 or len(added) > 0;
