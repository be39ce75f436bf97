-- One row per sample with the same image and the same words as an earlier sample.
-- severity: warn
--
-- sample_id   the sample
-- turn_index  always null: it is the whole conversation
-- evidence    the earlier sample
select
    sample_id,
    null::bigint as turn_index,
    'the same as sample ' || first_value(sample_id) over copies as evidence
from samples
window copies as (partition by image_sha256, md5(turns::varchar) order by record_index)
qualify row_number() over copies > 1;
