-- One row per experiment, dataset, source of its samples and rejecting check: how much of the source it rejects.
--
-- $experiment   experiment  only the datasets of this experiment (default none)
-- $min_percent  double      leave out what rejects less of a source than this, in percent (default 0)
--
-- experiment    the experiment, null when none uses the checks' result
-- role          translation/NAME
-- source        where the samples come from: coco, gqa, ..., text-only
-- check         name of the check; any check: samples that one or more of them reject
-- num_samples   samples of the source
-- num_rejected  those that the check rejects
-- percent       of the source's samples
-- example       evidence of the first finding
with rejected as (
    select fingerprint, dataset_fingerprint, sample_id, unnest(["check", 'any check']) as "check", evidence, record_index
    from findings
    where step = 'translation' and severity = 'reject'
),
sizes as (
    select fingerprint as dataset_fingerprint, "source", count(*) as num_samples
    from samples
    group by all
),
counted as (
    select
        rejected.fingerprint,
        rejected.dataset_fingerprint,
        samples."source",
        rejected."check",
        count(distinct rejected.sample_id) as num_rejected,
        arg_min(rejected.evidence, rejected.record_index) as example
    from rejected
    join samples on samples.fingerprint = rejected.dataset_fingerprint and samples.sample_id = rejected.sample_id
    group by all
)
select
    experiment_steps.experiment,
    experiment_steps.role,
    counted."source",
    counted."check",
    sizes.num_samples,
    counted.num_rejected,
    100 * counted.num_rejected / sizes.num_samples as percent,
    counted.example
from counted
join sizes using (dataset_fingerprint, "source")
left join experiment_steps using (fingerprint)
where ($experiment is null or experiment_steps.experiment = $experiment) and percent >= $min_percent
order by experiment, role, "source", num_rejected desc, "check";
