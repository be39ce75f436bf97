-- One row per turn in which an address, a piece of code, a file name or a name in Latin letters is not that of the original.
-- A name that became katakana is left alone; a name that kept its Latin letters must keep their spelling.
-- severity: reject
--
-- sample_id   the sample
-- turn_index  the turn, from 0
-- evidence    what is damaged, and the beginning of the text
with marked as materialized (
    select
        sample_id,
        turn_index,
        "text",
        original,
        case when regexp_matches(original, verbatim_text()) then verbatim_texts(original) else [] end as kept,
        case when original is not null and regexp_matches("text", '[A-Za-z]{3}') then latin_words("text") else [] end as words,
        regexp_extract("text", broken_link()) as broken
    from turns
    where regexp_matches(original, verbatim_text()) or regexp_matches("text", '[A-Za-z]{3}|' || broken_link())
),
compared as materialized (
    select
        *,
        list_filter(kept, lambda part: not contains("text", part)) as lost,
        list_filter(
            words,
            lambda word: not contains(' ' || regexp_replace(original, '[^A-Za-z]+', ' ', 'g') || ' ', ' ' || word || ' ')
        ) as unknown
    from marked
    where broken <> '' or len(kept) > 0 or len(words) > 0
),
spelled as (
    select
        *,
        case
            when len(unknown) > 0
                then list_filter(unknown, lambda word: is_misspelling(word, latin_words(original), words))
            else []
        end as misspelled
    from compared
    where broken <> '' or len(lost) > 0 or len(unknown) > 0 or contains(original, '```')
)
select
    sample_id,
    turn_index,
    concat_ws(' ', nullif(broken, ''), nullif(array_to_string(lost, ' '), ''), nullif(array_to_string(misspelled, ' '), ''))
        || ': ' || left("text", 200) as evidence
from spelled
where broken <> ''
    or len(lost) > 0
    or len(misspelled) > 0
    or (contains(original, '```') and num_occurrences(original, '```') <> num_occurrences("text", '```'));
