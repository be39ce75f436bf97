-- One row per training image that is a benchmark image as well, and way in which that was seen.
--
-- fingerprint          varchar  the contamination artifact
-- dataset_fingerprint  varchar  the training dataset
-- image                varchar  path of the training image
-- benchmark            varchar  name of the benchmark
-- benchmark_image      varchar  path of the benchmark's image
-- matched_by           varchar  same_bytes, similar or same_picture_id; see sql/checks/contamination
-- distance             bigint   bits in which the perceptual hashes differ, null when one is unknown
with found as (
    select split_part(filename, '/', -2) as fingerprint, *
    from read_parquet(
        getvariable('store') || '/artifacts/contamination/*/contamination.parquet',
        filename = true,
        hive_partitioning = false
    )
)
select
    found.fingerprint,
    manifests.inputs['dataset'] as dataset_fingerprint,
    found.image,
    found.benchmark,
    found.benchmark_image,
    found.matched_by,
    found.distance
from found
left join manifests on manifests.step = 'contamination' and manifests.fingerprint = found.fingerprint;
