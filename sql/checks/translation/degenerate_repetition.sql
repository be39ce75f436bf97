-- One row per turn that repeats a phrase over and over: a sentence four times, or less than half of its triples of
-- characters differ.
-- severity: reject
--
-- sample_id   the sample
-- turn_index  the turn, from 0
-- evidence    how much is repeated, and the beginning of the text
with cut as (
    select
        sample_id,
        turn_index,
        "text",
        regexp_extract_all("text", '(?s).{3}') as triples,
        list_filter(
            list_transform(regexp_split_to_array("text", '[。！？!?\n]+'), lambda sentence: trim(sentence)),
            lambda sentence: length(sentence) >= 8
        ) as sentences
    from turns
    where length("text") >= 32
),
counted as (
    select
        *,
        len(triples) as num_triples,
        len(list_distinct(triples)) as num_different,
        coalesce(list_max(map_values(list_histogram(sentences))), 0) as num_repeated
    from cut
)
select
    sample_id,
    turn_index,
    num_different || ' of ' || num_triples || ' triples of characters differ, a sentence stands ' || num_repeated
        || ' times: ' || "text" as evidence
from counted
where (num_triples >= 30 and 2 * num_different < num_triples) or num_repeated >= 4;
