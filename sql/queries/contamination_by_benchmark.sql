-- One row per training dataset, benchmark and way of matching: how much of a benchmark the training has seen.
--
-- $experiment  experiment  only the datasets of this experiment (default none)
--
-- experiment            the experiment, null when none uses the artifact
-- role                  contamination/NAME
-- benchmark             name of the benchmark
-- matched_by            same_bytes, similar or same_picture_id; any of them
-- num_benchmark_images  images of the benchmark that the training data holds
-- num_images            training images
-- num_samples           training samples that show them, accepted or not
with found as (
    from contamination
    union all
    select * replace ('any of them' as matched_by) from contamination
),
images_found as (
    select
        fingerprint,
        dataset_fingerprint,
        benchmark,
        matched_by,
        count(distinct benchmark_image) as num_benchmark_images,
        count(distinct image) as num_images
    from found
    group by all
),
samples_found as (
    select found.fingerprint, benchmark, matched_by, count(distinct sample_images.sample_id) as num_samples
    from found
    join sample_images
        on sample_images.fingerprint = found.dataset_fingerprint and sample_images.image = found.image
    group by all
)
select
    experiment_steps.experiment,
    experiment_steps.role,
    benchmark,
    matched_by,
    images_found.num_benchmark_images,
    images_found.num_images,
    samples_found.num_samples
from images_found
left join samples_found using (fingerprint, benchmark, matched_by)
left join experiment_steps using (fingerprint)
where $experiment is null or experiment_steps.experiment = $experiment
order by experiment, role, benchmark, matched_by = 'any of them', matched_by;
