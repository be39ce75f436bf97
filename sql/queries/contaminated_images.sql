-- One row per training image that is a benchmark image as well, those that most samples show first.
--
-- $experiment  experiment  only the datasets of this experiment (default none)
-- $benchmark   string      only this benchmark (default none)
-- $limit       integer     images, at most (default 20)
--
-- experiment       the experiment, null when none uses the artifact
-- role             contamination/NAME
-- benchmark        name of the benchmark
-- image            path of the training image
-- benchmark_image  path of the benchmark's image
-- matched_by       every way in which it was seen
-- distance         bits in which the perceptual hashes differ
-- num_samples      training samples that show the image, accepted or not
with pairs as (
    select
        fingerprint,
        dataset_fingerprint,
        benchmark,
        image,
        benchmark_image,
        list(matched_by order by matched_by) as matched_by,
        min(distance) as distance
    from contamination
    where $benchmark is null or benchmark = $benchmark
    group by all
),
shown as (
    select fingerprint as dataset_fingerprint, image, count(distinct sample_id) as num_samples
    from sample_images
    group by all
)
select
    experiment_steps.experiment,
    experiment_steps.role,
    pairs.benchmark,
    pairs.image,
    pairs.benchmark_image,
    pairs.matched_by,
    pairs.distance,
    shown.num_samples
from pairs
left join shown using (dataset_fingerprint, image)
left join experiment_steps using (fingerprint)
where $experiment is null or experiment_steps.experiment = $experiment
order by shown.num_samples desc, experiment, role, pairs.benchmark, pairs.image, pairs.benchmark_image
limit $limit;
