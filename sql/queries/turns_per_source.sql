-- One row per dataset and source of its samples: how much comes from where.
--
-- $experiment  experiment  only the datasets of this experiment (default none)
--
-- experiment         the experiment, null when none uses the dataset
-- role               dataset/NAME
-- fingerprint        the dataset
-- source             where the samples come from: coco, gqa, ..., text-only
-- num_samples        samples
-- num_turns          turns of all samples
-- mean_turns         turns of a sample, mean
-- num_images         different images
-- num_with_original  samples whose English original is known
with counted as (
    select
        fingerprint,
        "source",
        count(*) as num_samples,
        sum(len(turns))::bigint as num_turns,
        avg(len(turns)) as mean_turns,
        count(*) filter (turns[1].original is not null) as num_with_original
    from samples
    group by fingerprint, "source"
),
shown as (
    select fingerprint, "source", count(distinct image) as num_images
    from sample_images
    group by fingerprint, "source"
)
select
    experiment_steps.experiment,
    experiment_steps.role,
    counted.* exclude (num_with_original),
    coalesce(shown.num_images, 0) as num_images,
    counted.num_with_original
from counted
left join shown using (fingerprint, "source")
left join experiment_steps using (fingerprint)
where $experiment is null or experiment_steps.experiment = $experiment
order by experiment, role, num_samples desc, "source";
