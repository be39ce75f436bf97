-- One row per image with cached features; the features themselves are not read.
--
-- fingerprint   varchar  the features artifact
-- shard         varchar  name of the shard
-- image_sha256  varchar  hash of the image's bytes
-- is_finite     boolean  no feature is infinite or not a number
-- mean_norm     float    mean length of the feature vectors
select
    split_part(filename, '/', -2) as fingerprint,
    split_part(filename, '/', -1) as shard,
    image_sha256,
    is_finite,
    mean_norm
from read_parquet(
    getvariable('store') || '/artifacts/features/*/shard-*.parquet', filename = true, hive_partitioning = false
);
