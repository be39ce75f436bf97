-- One row per experiment, benchmark, protocol, metric and category; the category overall is all items.
--
-- $experiment  experiment  only this experiment (default none)
-- $benchmark   string      only this benchmark (default none)
-- $metric      string      only this metric (default none)
--
-- experiment  name of the experiment
-- benchmark   name of the benchmark
-- protocol    which questions of it were asked
-- metric      name of the metric
-- category    category of the items, or overall
-- mean        mean over the answered items, 0 to 100; of overall the benchmark's number
-- num_items   answered items
-- num_failed  items without an answer; they are not in the mean
with items as (
    select experiment, benchmark, protocol, metric, value, number, unnest(list_distinct([category, 'overall'])) as category
    from experiment_scores
    where ($experiment is null or experiment = $experiment)
        and ($benchmark is null or benchmark = $benchmark)
        and ($metric is null or metric = $metric)
)
select
    experiment,
    benchmark,
    protocol,
    metric,
    category,
    if(category = 'overall', any_value(number), avg(value)) as mean,
    count(value) as num_items,
    count(*) - count(value) as num_failed
from items
group by experiment, benchmark, protocol, metric, category
order by experiment, benchmark, protocol, metric, category <> 'overall', category;
