-- One row per turn in which an address, a piece of code or a file name is not that of the original, or an address that was
-- broken on the way.
-- severity: reject
--
-- text_id   the text
-- evidence  what is damaged, and the beginning of the text
with marked as (
    select
        text_id,
        "text",
        original,
        case when regexp_matches(original, verbatim_text()) then verbatim_texts(original) else [] end as kept,
        case when contains(original, '```') then code_lines(original) else [] end as lines,
        case when contains(original, '```') then code_lines("text") else [] end as kept_lines,
        regexp_extract("text", broken_link()) as broken
    from texts
    where regexp_matches(original, verbatim_text()) or regexp_matches("text", broken_link())
),
compared as (
    select
        *,
        list_concat(
            list_filter(kept, lambda part: not contains("text", part) and not contains(half_width("text"), part)),
            list_filter(lines, lambda line: not list_contains(kept_lines, line))
        ) as lost
    from marked
)
select text_id, array_to_string(list_concat([broken], lost), ' ') || ': ' || left("text", 200) as evidence
from compared
where broken <> ''
    or len(lost) > 0
    or (contains(original, '```') and count_occurrences(original, '```') <> count_occurrences("text", '```'));
