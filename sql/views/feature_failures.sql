-- One row per image that could not be encoded.
--
-- fingerprint   varchar  the features artifact
-- image_sha256  varchar  hash of the image's bytes
-- reason        varchar  why there are no features
select split_part(filename, '/', -2) as fingerprint, image_sha256, reason
from read_parquet(
    getvariable('store') || '/artifacts/features/*/failures.parquet', filename = true, hive_partitioning = false
);
