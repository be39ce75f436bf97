-- One row per shard of cached features: what its payloads are and how they were made.
--
-- fingerprint          varchar    the shard
-- encoder              varchar    short name of tower, preprocessing, scales, layout and form; shards of one can be mixed
-- calibration          varchar    the artifact whose channel RMS int8 features are divided by, null for other forms
-- tower                varchar    id@revision on the Hub, sha256 of a local folder, or random
-- form                 varchar    exact, exact-zstd or int8
-- dtype                varchar    number format of the tower
-- layout               varchar    square or llava-jp-v1.1
-- image_sides          integer[]  side of the image at each S2 scale, in pixels, in the order of the channels
-- num_tokens           integer    vision tokens of an image
-- width                integer    channels of a vision token at one scale
-- num_images           bigint     images with features
-- num_failed           bigint     images that could not be encoded
-- payload_bytes        bigint     size of all features
-- num_bytes            bigint     size of the files
-- dataset_fingerprint  varchar    the dataset whose images were encoded; the shard serves every other that has them
-- torch                varchar    version that encoded
-- transformers         varchar    version that held the tower
-- pillow               varchar    version that decoded and resized
-- created_at           timestamp  when it was published, UTC
select
    fingerprint,
    config->>'encoder_fingerprint' as encoder,
    inputs['calibration'] as calibration,
    coalesce(
        (config->>'$.encoder.vision_tower.weights.id')
            || '@' || (config->>'$.encoder.vision_tower.weights.revision'),
        config->>'$.encoder.vision_tower.weights.folder_sha256',
        config->>'$.encoder.vision_tower.weights.kind'
    ) as tower,
    summary->>'form' as form,
    summary->>'dtype' as dtype,
    config->>'$.encoder.layout' as layout,
    from_json(summary->'sides', '["integer"]') as image_sides,
    (summary->>'num_tokens')::integer as num_tokens,
    (summary->>'width')::integer as width,
    (summary->>'num_images')::bigint as num_images,
    (summary->>'num_failed')::bigint as num_failed,
    (summary->>'payload_bytes')::bigint as payload_bytes,
    num_bytes,
    summary->>'dataset' as dataset_fingerprint,
    versions->>'torch' as torch,
    versions->>'transformers' as transformers,
    versions->>'pillow' as pillow,
    created_at
from manifests
where step = 'feature_shard';
