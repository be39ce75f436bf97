-- One row per cached image and S2 scale whose payload has not the size of its shard's form, or cannot be where it is said.
--
-- fingerprint   the shard
-- image_sha256  hash of the image's bytes
-- image_side    side of the image at this scale, in pixels
-- offset        where the payload lies in features.parquet, in bytes
-- num_bytes     its size there
-- expected      the size of every payload; with exact-zstd before it is compressed
with payloads as (
    select
        fingerprint,
        image_sha256,
        unnest(image_sides) as image_side,
        unnest(offsets) as "offset",
        unnest(num_bytes) as num_bytes
    from cached_features
    where status = 'ok'
),
shards as (
    select
        fingerprint,
        form,
        num_bytes as file_bytes,
        num_tokens * if(form = 'int8', 4 + width, width * if(dtype = 'float32', 4, 2)) as expected
    from feature_shards
)
select
    payloads.fingerprint,
    payloads.image_sha256,
    payloads.image_side,
    payloads."offset",
    payloads.num_bytes,
    shards.expected
from payloads
join shards using (fingerprint)
where
    not coalesce(
        if(
            form = 'exact-zstd',
            payloads.num_bytes between 1 and expected + expected // 128 + 1024, -- what zstd can lose at worst, and more
            payloads.num_bytes = expected
        )
        and payloads."offset" between 4 and file_bytes - payloads.num_bytes,
        false
    )
order by all;
