-- One row per encoder and set of places that share images: what it saves to encode by content, the most first.
--
-- A place is a path in a dataset. An image is in several when datasets share it, or when one dataset has copies of it.
--
-- $experiment  experiment  only the datasets of this experiment (default none)
-- $limit       integer     sets, at most (default 20)
--
-- encoder        short name of what encoded the images, null when there are no cached features of these datasets
-- calibration    the artifact whose channel RMS int8 features are divided by, null for other forms
-- datasets       the datasets that share the images: by their roles, or their fingerprints when no experiment uses them
-- sources        where their samples come from: coco, gqa, ...
-- num_images     different images in exactly these datasets and sources, at more than one place
-- num_places     places where they are
-- num_saved      encodings that were not needed
-- saved_bytes    size of the features that are not stored a second time
-- gigabytes      the same in units of 10^9 bytes
-- example        hash of one of the images
-- example_paths  where it is, three paths at most
with encoders as (
    select
        row_number() over (order by encoder, calibration) as number,
        encoder,
        calibration,
        sum(payload_bytes) / nullif(sum(num_images), 0) as bytes_per_image
    from feature_shards
    group by encoder, calibration
),
encoded as (
    select distinct inputs['dataset'] as fingerprint, encoders.number
    from manifests
    join encoders
        on encoders.encoder = manifests.summary->>'encoder'
        and encoders.calibration is not distinct from manifests.inputs['calibration']
    where manifests.step = 'features'
),
roles as (
    select fingerprint, string_agg(distinct "role", ' ' order by "role") as roles
    from experiment_steps
    where step = 'dataset' and ($experiment is null or experiment = $experiment)
    group by fingerprint
),
datasets as (
    select
        manifests.fingerprint,
        coalesce(roles.roles, manifests.fingerprint) as dataset,
        coalesce(encoded.number, 0) as encoder -- 0: none, so that the images below are grouped by a number
    from manifests
    left join roles using (fingerprint)
    left join encoded using (fingerprint)
    where manifests.step = 'dataset' and ($experiment is null or roles.roles is not null)
),
placed as (
    select datasets.encoder, datasets.dataset, images.fingerprint, images.image, images.image_sha256
    from datasets
    join images using (fingerprint)
    where images.status = 'ok'
),
repeated as (
    select encoder, image_sha256, count(*) as num_places
    from placed
    group by all
    having num_places > 1
),
sources as (
    select fingerprint, image, any_value("source") as "source"
    from sample_images
    semi join repeated using (image_sha256)
    group by all
),
places as (
    select
        repeated.encoder,
        repeated.image_sha256,
        any_value(repeated.num_places) as num_places,
        list_sort(list_distinct(list(placed.dataset))) as datasets,
        list_sort(list_distinct(list(sources."source"))) as sources
    from repeated
    join placed using (encoder, image_sha256)
    left join sources on sources.fingerprint = placed.fingerprint and sources.image = placed.image
    group by repeated.encoder, repeated.image_sha256
),
sets as (
    select
        encoder as number,
        datasets,
        sources,
        count(*) as num_images,
        sum(num_places)::bigint as num_places,
        sum(num_places - 1)::bigint as num_saved,
        min(image_sha256) as example
    from places
    group by all
),
examples as (
    select image_sha256 as example, list(distinct image order by image)[:3] as example_paths
    from images
    where status = 'ok' and image_sha256 in (select example from sets)
    group by all
)
select
    encoders.encoder,
    encoders.calibration,
    sets.* exclude (number, example),
    coalesce(round(sets.num_saved * encoders.bytes_per_image), 0)::bigint as saved_bytes,
    round(saved_bytes / 1e9, 3) as gigabytes,
    sets.example,
    examples.example_paths
from sets
left join encoders using (number)
left join examples using (example)
order by saved_bytes desc, num_saved desc, encoders.encoder, encoders.calibration, sets.datasets, sets.sources
limit $limit;
