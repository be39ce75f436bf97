-- One row per benchmark, protocol, metric, category and experiment; the experiments to compare stand under each other.
--
-- $experiments  experiments  names with commas between them (default none)
-- $baseline     experiment   the experiment that the difference is taken to (default none)
--
-- benchmark            name of the benchmark
-- protocol             which questions of it were asked
-- dataset_fingerprint  the benchmark's items; only rows over the same items can be compared
-- metric               name of the metric
-- category             category of the items, or overall
-- experiment           name of the experiment
-- mean                 mean over the answered items, 0 to 100; of overall the benchmark's number
-- num_items            answered items
-- num_failed           items without an answer; they are not in the mean
-- difference           mean minus the baseline's mean over the same items, null without a baseline
with items as (
    select
        benchmark,
        protocol,
        dataset_fingerprint,
        metric,
        unnest(list_distinct([category, 'overall'])) as category,
        experiment,
        value,
        number
    from experiment_scores
    where $experiments is null or list_contains($experiments, experiment) or experiment = $baseline
),
means as (
    select
        benchmark,
        protocol,
        dataset_fingerprint,
        metric,
        category,
        experiment,
        if(category = 'overall', any_value(number), avg(value)) as mean,
        count(value) as num_items,
        count(*) - count(value) as num_failed
    from items
    group by benchmark, protocol, dataset_fingerprint, metric, category, experiment
)
select means.*, means.mean - baseline.mean as difference
from means
left join means as baseline
    on baseline.experiment = $baseline
    and baseline.benchmark = means.benchmark
    and baseline.protocol = means.protocol
    and baseline.dataset_fingerprint = means.dataset_fingerprint
    and baseline.metric = means.metric
    and baseline.category = means.category
order by
    means.benchmark,
    means.protocol,
    means.dataset_fingerprint,
    means.metric,
    means.category <> 'overall',
    means.category,
    means.experiment;
