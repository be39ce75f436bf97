-- One row per encoder, and calibration where there is one: what its cached features take, and who uses them.
--
-- encoder            short name of tower, preprocessing, scales, layout and form; see the view feature_shards
-- calibration        the artifact whose channel RMS int8 features are divided by, null for other forms
-- tower              id@revision on the Hub, sha256 of a local folder, or random
-- form               exact, exact-zstd or int8
-- dtype              number format of the tower
-- layout             square or llava-jp-v1.1
-- image_sides        side of the image at each S2 scale, in pixels
-- num_shards         shards in the store
-- num_images         their images; one that lies in two shards counts twice
-- num_failed         images that could not be encoded
-- payload_bytes      size of all features
-- gigabytes          the same in units of 10^9 bytes
-- bytes_per_image    mean size of an image's features
-- num_experiments    experiments whose features lie in these shards
-- num_used_images    different images that an artifact of features takes from these shards
-- num_unused_shards  shards that no artifact of features in the store refers to
-- unused_gigabytes   size of their features in units of 10^9 bytes
-- versions           versions of torch, transformers and pillow that made them, with the number of shards
with used as (
    select distinct part_fingerprint as fingerprint
    from artifact_parts
    where part_step = 'feature_shard'
),
experiments as (
    select feature_shards.encoder, feature_shards.calibration, count(distinct experiment_steps.experiment) as num
    from experiment_steps
    join artifact_parts using (fingerprint)
    join feature_shards on feature_shards.fingerprint = artifact_parts.part_fingerprint
    group by all
),
images_used as (
    select feature_shards.encoder, feature_shards.calibration, count(distinct feature_images.image_sha256) as num
    from feature_images
    join feature_shards on feature_shards.fingerprint = feature_images.shard
    where feature_images.status = 'ok'
    group by all
),
by_version as (
    select
        encoder,
        calibration,
        'torch ' || torch || ', transformers ' || transformers || ', pillow ' || pillow as version,
        count(*) as num
    from feature_shards
    group by all
),
versions as (
    select encoder, calibration, list(version || ': ' || num order by num desc, version) as versions
    from by_version
    group by all
)
select
    shards.encoder,
    shards.calibration,
    any_value(shards.tower) as tower,
    any_value(shards.form) as form,
    any_value(shards.dtype) as dtype,
    any_value(shards.layout) as layout,
    any_value(shards.image_sides) as image_sides,
    count(*) as num_shards,
    sum(shards.num_images)::bigint as num_images,
    sum(shards.num_failed)::bigint as num_failed,
    sum(shards.payload_bytes)::bigint as payload_bytes,
    round(sum(shards.payload_bytes) / 1e9, 3) as gigabytes,
    round(sum(shards.payload_bytes) / nullif(sum(shards.num_images), 0))::bigint as bytes_per_image,
    coalesce(any_value(experiments.num), 0) as num_experiments,
    coalesce(any_value(images_used.num), 0) as num_used_images,
    count(*) filter (used.fingerprint is null) as num_unused_shards,
    round(coalesce(sum(shards.payload_bytes) filter (used.fingerprint is null), 0) / 1e9, 3) as unused_gigabytes,
    any_value(versions.versions) as versions
from feature_shards as shards
left join used using (fingerprint)
left join experiments
    on experiments.encoder = shards.encoder and experiments.calibration is not distinct from shards.calibration
left join images_used
    on images_used.encoder = shards.encoder and images_used.calibration is not distinct from shards.calibration
left join versions
    on versions.encoder = shards.encoder and versions.calibration is not distinct from shards.calibration
group by shards.encoder, shards.calibration
order by payload_bytes desc, shards.encoder, shards.calibration;
