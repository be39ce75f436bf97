-- One row per image of a shard of cached features; the features themselves are not read.
--
-- fingerprint    varchar     the shard
-- encoder        varchar     short name of what encoded it; see the view feature_shards
-- calibration    varchar     the artifact whose channel RMS int8 features are divided by, null for other forms
-- image_sides    integer[]   side of the image at each S2 scale, in pixels; the lists below have an item for each
-- image_sha256   varchar     hash of the image's bytes
-- status         varchar     ok or failed; a failed image has a reason and nothing else
-- reason         varchar     why there are no features
-- source_width   integer     pixels of the image before it was resized
-- source_height  integer     pixels of the image before it was resized
-- is_finite      boolean     no feature is infinite or not a number
-- mean_norms     float[]     mean length of the feature vectors
-- max_norms      float[]     length of the longest feature vector
-- row            integer     position in features.parquet, from 0
-- offsets        bigint[]    where its payloads lie in features.parquet, in bytes
-- num_bytes      bigint[]    size of its payloads there
-- checksums      ubigint[]   XXH3 with 64 bits of its payloads, before Parquet compresses them
-- payload_bytes  bigint      size of all its payloads
with indexed as (
    select split_part(filename, '/', -2) as fingerprint, *
    from read_parquet(
        getvariable('store') || '/artifacts/feature_shard/*/index.parquet', filename = true, hive_partitioning = false
    )
)
select
    indexed.fingerprint,
    feature_shards.encoder,
    feature_shards.calibration,
    feature_shards.image_sides,
    indexed.image_sha256,
    indexed.status,
    indexed.reason,
    indexed.source_width,
    indexed.source_height,
    indexed.is_finite,
    indexed.mean_norms,
    indexed.max_norms,
    indexed."row",
    indexed.offsets,
    indexed.num_bytes,
    indexed.checksums,
    coalesce(list_sum(indexed.num_bytes), 0)::bigint as payload_bytes
from indexed
left join feature_shards using (fingerprint);
