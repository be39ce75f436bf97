-- One row per sample that no rejecting translation check found.
--
-- fingerprint          varchar  the translation artifact
-- dataset_fingerprint  varchar  the dataset of the sample
-- sample_id            varchar  the sample
with accepted as (
    select split_part(filename, '/', -2) as fingerprint, sample_id
    from read_parquet(
        getvariable('store') || '/artifacts/translation/*/accepted.parquet',
        filename = true,
        hive_partitioning = false,
        union_by_name = true
    )
)
select accepted.fingerprint, manifests.inputs['dataset'] as dataset_fingerprint, accepted.sample_id
from accepted
left join manifests on manifests.step = 'translation' and manifests.fingerprint = accepted.fingerprint;
