-- One row per experiment, benchmark, protocol, metric and group of items, by each way to group them.
--
-- $experiment  experiment  only this experiment (default none)
-- $benchmark   string      only this benchmark (default none)
-- $metric      string      only this metric (default none)
-- $breakdown   string      only category, image_category, question_type or answer_length (default none)
--
-- experiment  name of the experiment
-- benchmark   name of the benchmark
-- protocol    which questions of it were asked
-- metric      name of the metric
-- breakdown   category, image_category, question_type or answer_length
-- group       the group
-- mean        mean over the answered items, 0 to 100
-- num_items   answered items
-- num_failed  items without an answer; they are not in the mean
with grouped as (
    unpivot experiment_scores
    on category, image_category, question_type, answer_length
    into name breakdown value "group"
)
select
    experiment,
    benchmark,
    protocol,
    metric,
    breakdown,
    "group",
    avg("value") as mean,
    count("value") as num_items,
    count(*) - count("value") as num_failed
from grouped
where ($experiment is null or experiment = $experiment)
    and ($benchmark is null or benchmark = $benchmark)
    and ($metric is null or metric = $metric)
    and ($breakdown is null or breakdown = $breakdown)
group by all
order by experiment, benchmark, protocol, metric, breakdown, num_items + num_failed desc, "group";
