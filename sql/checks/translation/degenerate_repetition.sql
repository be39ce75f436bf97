-- One row per turn that repeats itself: a sentence of eight characters or more three times, or a stretch of 26 or sixty
-- characters in which less than 40 % of the groups of four characters differ. Numbers before the items of a list do not
-- count. Probes choose the turns that are worth counting.
-- severity: reject
--
-- sample_id   the sample
-- turn_index  the turn, from 0
-- evidence    what is repeated, and the beginning of the text
with suspicious as materialized (
    select
        sample_id,
        turn_index,
        "text",
        original,
        regexp_replace("text", '\n\s*[0-9０-９]+[.．)）:：]\s*', E'\n', 'g') as unnumbered
    from turns
    where strlen("text") >= 36 and (repeated_pieces("text") >= 2 or has_frequent_probe("text"))
),
counted as materialized (
    select
        *,
        repeated_sentence(unnumbered) as sentence,
        list_filter(
            list_concat(
                regexp_extract_all(unnumbered, '(?s).{14,60}'),
                list_transform(range(14, length(unnumbered) - 13, 13), lambda place: substring(unnumbered, place, 26))
            ),
            lambda stretch: len(list_distinct(groups_of_four(stretch))) < 0.4 * (length(stretch) - 3)
        ) as stretches
    from suspicious
)
select sample_id, turn_index, coalesce(sentence, stretches[1]) || ' … ' || left("text", 200) as evidence
from counted
where (sentence is not null or len(stretches) > 0)
    and repeated_sentence(original) is null;
