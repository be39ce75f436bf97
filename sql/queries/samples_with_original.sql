-- One row per dataset and experiment that uses it: how many of its samples have the English that they come from.
--
-- $experiment  experiment  only the datasets of this experiment (default none)
--
-- experiment         the experiment, null when none uses the dataset
-- role               dataset/NAME
-- fingerprint        the dataset
-- num_samples        samples
-- num_with_original  those whose English original is known
-- percent            of the samples
-- num_unclear        those of whose id and image there are several, and none is clearly the original
-- num_other_turns    those whose originals have other numbers of turns
with counted as (
    select
        fingerprint,
        count(*) as num_samples,
        count(*) filter (turns[1].original is not null) as num_with_original
    from samples
    group by fingerprint
),
missing as (
    select
        fingerprint,
        count(*) filter ("check" = 'original_unclear') as num_unclear,
        count(*) filter ("check" = 'original_has_other_turns') as num_other_turns
    from findings
    where step = 'dataset'
    group by fingerprint
)
select
    experiment_steps.experiment,
    experiment_steps.role,
    counted.fingerprint,
    counted.num_samples,
    counted.num_with_original,
    100 * counted.num_with_original / counted.num_samples as percent,
    coalesce(missing.num_unclear, 0) as num_unclear,
    coalesce(missing.num_other_turns, 0) as num_other_turns
from counted
left join missing using (fingerprint)
left join experiment_steps using (fingerprint)
where $experiment is null or experiment_steps.experiment = $experiment
order by experiment, role, counted.fingerprint;
