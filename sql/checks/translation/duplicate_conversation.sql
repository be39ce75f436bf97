-- One row per sample with the same image and the same words as an earlier sample.
-- severity: warn
--
-- sample_id   the sample
-- turn_index  always null: it is the whole conversation
-- evidence    the earlier sample
with hashed as (
    select
        sample_id,
        record_index,
        hash(image_sha256, list_transform(turns, lambda turn: [turn.role, turn."text"])) as content
    from samples
),
repeated as (
    select content, min(record_index) as first_index, arg_min(sample_id, record_index) as first_sample
    from hashed
    group by content
    having count(*) > 1
)
select sample_id, null::bigint as turn_index, 'the same as sample ' || first_sample as evidence
from hashed
join repeated using (content)
where record_index > first_index;
