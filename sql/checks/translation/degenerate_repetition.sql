-- One row per turn that repeats itself: a sentence of eight characters or more three times, or a stretch of up to sixty characters
-- in which less than 40 % of the groups of four characters differ. Probes choose the turns that are worth counting.
-- severity: reject
--
-- sample_id   the sample
-- turn_index  the turn, from 0
-- evidence    what is repeated, and the beginning of the text
with suspicious as materialized (
    select sample_id, turn_index, "text", original
    from turns
    where strlen("text") >= 14
        and (
            num_repeated_pieces("text") >= 2
            or num_occurrences("text", substring("text", 4, 3)) >= 4
            or num_occurrences("text", substring("text", length("text") // 3, 3)) >= 4
            or num_occurrences("text", substring("text", length("text") // 2, 3)) >= 4
            or num_occurrences("text", substring("text", length("text") * 3 // 4, 3)) >= 4
            or num_occurrences("text", substring("text", length("text") - 6, 3)) >= 4
        )
),
counted as materialized (
    select
        *,
        repeated_sentence("text") as sentence,
        list_filter(
            regexp_extract_all("text", '(?s).{14,60}'),
            lambda stretch: len(list_distinct(groups_of_four(stretch))) < 0.4 * (length(stretch) - 3)
        ) as stretches
    from suspicious
)
select sample_id, turn_index, coalesce(sentence, stretches[1]) || ' … ' || left("text", 200) as evidence
from counted
where (sentence is not null or len(stretches) > 0)
    and repeated_sentence(original) is null;
