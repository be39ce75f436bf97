-- One row per usable image of a dataset, in an artifact of features: the shard that holds its features.
--
-- fingerprint          varchar  the artifact of features
-- dataset_fingerprint  varchar  the dataset of the images
-- encoder              varchar  short name of what encoded them; see the view feature_shards
-- image_sha256         varchar  hash of the image's bytes
-- status               varchar  ok, failed, or live where the trainer encodes and nothing is cached
-- shard                varchar  the shard that was asked to hold the features, null when they are live
-- reason               varchar  why there are no features
with features as (
    select fingerprint, inputs['dataset'] as dataset_fingerprint, summary->>'encoder' as encoder
    from manifests
    where step = 'features'
),
listed as (
    select split_part(filename, '/', -2) as fingerprint, image_sha256, status, shard, reason
    from read_parquet(
        getvariable('store') || '/artifacts/features/*/images.parquet', filename = true, hive_partitioning = false
    )
)
select
    listed.fingerprint,
    features.dataset_fingerprint,
    features.encoder,
    listed.image_sha256,
    listed.status,
    listed.shard,
    listed.reason
from listed
left join features using (fingerprint);
