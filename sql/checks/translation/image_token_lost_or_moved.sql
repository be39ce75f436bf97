-- One row per sample whose image token is not exactly once in the first user turn; without an image, nowhere.
-- severity: reject
--
-- sample_id   the sample
-- turn_index  the first turn with a token too many or too few
-- evidence    image tokens of each turn
with counted as (
    select
        turns.sample_id,
        turns.turn_index,
        (length(turns."text") - length(replace(turns."text", '<image>', ''))) // length('<image>') as num_tokens,
        min(turns.turn_index) filter (where turns.role = 'user') over (partition by turns.sample_id) as first_question,
        (samples.image is not null and turns.turn_index = first_question)::integer as num_expected
    from turns
    join samples using (sample_id)
)
select
    sample_id,
    min(turn_index) filter (where num_tokens <> num_expected) as turn_index,
    '<image> in each turn: ' || list(num_tokens order by turn_index)::varchar as evidence
from counted
group by sample_id
having bool_or(num_tokens <> num_expected);
