-- One row per dataset and reason: how many of its images could not be encoded, most first.
--
-- $experiment  experiment  only the datasets of this experiment (default none)
-- $min_images  integer     leave out reasons of fewer images than this (default 1)
--
-- experiment            name of the experiment, null when none uses the features
-- role                  features/NAME
-- features_fingerprint  the artifact of features
-- reason                why, with FILE for the image's file and N for any number
-- num_images            images
-- num_samples           samples that show one of them
-- example_image         one of them as the records name it
-- example_sha256        the same by the hash of its bytes
-- example_reason        what was said of it
with failed as (
    select fingerprint, dataset_fingerprint, image_sha256, any_value(reason) as reason
    from feature_failures
    group by all
),
paths as (
    select fingerprint as dataset_fingerprint, image_sha256, min(image) as image, min_by(file, image) as file
    from images
    where status = 'ok' and image_sha256 in (select image_sha256 from failed)
    group by all
),
shown as (
    select fingerprint as dataset_fingerprint, image_sha256, count(distinct sample_id) as num_samples
    from sample_images
    where image_sha256 in (select image_sha256 from failed)
    group by all
),
explained as (
    select
        failed.*,
        general_reason(failed.reason, paths.file) as general,
        paths.image,
        coalesce(shown.num_samples, 0) as num_samples
    from failed
    left join paths using (dataset_fingerprint, image_sha256)
    left join shown using (dataset_fingerprint, image_sha256)
)
select
    experiment_steps.experiment,
    experiment_steps.role,
    explained.fingerprint as features_fingerprint,
    explained.general as reason,
    count(*) as num_images,
    sum(explained.num_samples)::bigint as num_samples,
    min_by(explained.image, explained.image_sha256) as example_image,
    min(explained.image_sha256) as example_sha256,
    min_by(explained.reason, explained.image_sha256) as example_reason
from explained
left join experiment_steps using (fingerprint)
where $experiment is null or experiment_steps.experiment = $experiment
group by experiment_steps.experiment, experiment_steps.role, explained.fingerprint, explained.general
having num_images >= $min_images
order by experiment, role, num_images desc, reason;
