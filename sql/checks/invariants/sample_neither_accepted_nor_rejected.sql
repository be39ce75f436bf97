-- One row per sample of a checked dataset that is neither accepted nor rejected by a check.
--
-- fingerprint          the translation artifact
-- dataset_fingerprint  the dataset
-- sample_id            the sample
with checked as (
    select fingerprint, inputs['dataset'] as dataset_fingerprint
    from manifests
    where step = 'translation'
),
decided as (
    select translation_fingerprint as fingerprint, sample_id from accepted_samples
    union
    select fingerprint, sample_id from findings where step = 'translation' and severity = 'reject'
)
select checked.fingerprint, checked.dataset_fingerprint, samples.sample_id
from checked
join samples on samples.fingerprint = checked.dataset_fingerprint
anti join decided on decided.fingerprint = checked.fingerprint and decided.sample_id = samples.sample_id
order by all;
