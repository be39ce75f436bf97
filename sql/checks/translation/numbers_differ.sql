-- One row per turn with a number that its original does not have, or without a number of its original. Digits of both
-- widths, kanji numerals and English number words are compared by their value.
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
        list_filter(added, lambda number: not has_source_in_english(number, original, originals)) as added
    from compared
    where len(lost) > 0 or len(added) > 0
)
select
    sample_id,
    turn_index,
    'lost ' || lost::varchar || ', added ' || added::varchar || ': '
        || left(original, 150) || ' → ' || left("text", 150) as evidence
from unexplained
where len(lost) > 0 or len(added) > 0;
