-- One row per turn in which an address, a piece of code, a file name or a name in Latin letters is not that of the
-- original. A name that became katakana is left alone, if it sounds like the name; a name that kept its Latin letters must
-- keep their spelling, and no other name may stand there.
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
        case
            when original is not null and regexp_matches("text", '[A-Z]{2}')
                then list_filter(acronyms("text"), lambda name: not contains(original, name))
            else []
        end as new_names,
        case
            when regexp_matches(original, lone_name()) and (role = 'assistant' or not contains(original, 'book'))
                then english_names(original)
            else []
        end as names,
        case when contains(original, '```') then code_lines(original) else [] end as lines,
        case when contains(original, '```') then code_lines("text") else [] end as kept_lines,
        regexp_extract("text", broken_link()) as broken
    from turns
    where regexp_matches(original, verbatim_text())
        or regexp_matches(original, lone_name())
        or regexp_matches("text", '[A-Za-z]{4}|[A-Z]{2}|' || broken_link())
),
compared as materialized (
    select
        *,
        list_concat(
            list_filter(kept, lambda part: not contains("text", part)),
            list_filter(lines, lambda line: not list_contains(kept_lines, line))
        ) as lost,
        list_filter(
            words,
            lambda word: case
                when contains(' ' || original || ' ', ' ' || word || ' ') then false
                else not contains(' ' || regexp_replace(original, '[^A-Za-z]+', ' ', 'g') || ' ', ' ' || word || ' ')
            end
        ) as unknown,
        list_filter(names, lambda name: not contains("text", name)) as lost_names
    from marked
    where broken <> '' or len(kept) > 0 or len(words) > 0 or len(new_names) > 0 or len(names) > 0
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
        end as misspelled,
        case
            when len(new_names) > 0
                and len(list_filter(acronyms(original), lambda name: not contains("text", name))) > 0
                then list_filter(
                    new_names, lambda name: not contains(regexp_replace(upper(original), '[^A-Z]', '', 'g'), name)
                )
            else []
        end as new_short_names,
        case
            when len(lost_names) > 0 and length("text") > 0.25 * length(original) and not contains("text", '『')
                then list_filter(lost_names, lambda name: name_is_lost(name, "text"))
            else []
        end as missing
    from compared
    where broken <> ''
        or len(lost) > 0
        or len(unknown) > 0
        or len(new_names) > 0
        or len(lost_names) > 0
        or contains(original, '```')
)
select
    sample_id,
    turn_index,
    array_to_string(list_concat([broken], lost, misspelled, new_short_names, missing), ' ') || ': ' || left("text", 200)
        as evidence
from spelled
where broken <> ''
    or len(lost) > 0
    or len(misspelled) > 0
    or len(new_short_names) > 0
    or len(missing) > 0
    or (contains(original, '```') and count_occurrences(original, '```') <> count_occurrences("text", '```'));
