-- One row per turn in which an address, a piece of code, a file name or a name in Latin letters is not that of the
-- original. A name that became katakana is left alone; a name that kept its Latin letters must keep their spelling, and
-- no other name may stand there.
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
        case when original is null then [] else latin_words("text") end as words,
        regexp_extract("text", broken_link()) as broken
    from turns
    where regexp_matches(original, verbatim_text()) or regexp_matches("text", '[A-Za-z]{4}|' || broken_link())
),
compared as materialized (
    select
        *,
        list_filter(
            list_concat(kept, case when contains(original, '```') then code_lines(original) else [] end),
            lambda part: not contains("text", part)
        ) as lost,
        list_filter(
            words,
            lambda word: case
                when contains(' ' || original || ' ', ' ' || word || ' ') then false
                else not contains(' ' || regexp_replace(original, '[^A-Za-z]+', ' ', 'g') || ' ', ' ' || word || ' ')
            end
        ) as unknown
    from marked
    where broken <> '' or len(kept) > 0 or len(words) > 0
),
spelled as (
    select
        *,
        case
            when len(unknown) > 0
                then list_filter(
                    unknown,
                    lambda word: is_misspelling(word, latin_words(original), words) or is_new_name(word, original)
                )
            else []
        end as misspelled
    from compared
    where broken <> '' or len(lost) > 0 or len(unknown) > 0 or contains(original, '```')
)
select
    sample_id,
    turn_index,
    array_to_string(list_concat([broken], lost, misspelled), ' ') || ': ' || left("text", 200) as evidence
from spelled
where broken <> ''
    or len(lost) > 0
    or len(misspelled) > 0
    or (contains(original, '```') and count_occurrences(original, '```') <> count_occurrences("text", '```'));
