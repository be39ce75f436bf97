-- One row per sample that no rejecting translation check found.
--
-- fingerprint              varchar  the dataset of the sample, as in samples and turns
-- translation_fingerprint  varchar  the artifact of the checks that accept it
-- sample_id                varchar  the sample
with accepted as (
    select split_part(filename, '/', -2) as translation_fingerprint, sample_id
    from read_parquet(
        getvariable('store') || '/artifacts/translation/*/accepted.parquet',
        filename = true,
        hive_partitioning = false,
        union_by_name = true
    )
)
select manifests.inputs['dataset'] as fingerprint, accepted.translation_fingerprint, accepted.sample_id
from accepted
left join manifests on manifests.step = 'translation' and manifests.fingerprint = accepted.translation_fingerprint;
