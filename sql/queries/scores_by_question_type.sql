-- One row per benchmark, protocol, metric, question type and experiment: counting is the weakness that the article names.
--
-- $experiments  experiments  names with commas between them (default none)
-- $benchmark    string       only this benchmark (default none)
-- $metric       string       only this metric (default none)
--
-- benchmark      name of the benchmark
-- protocol       which questions of it were asked
-- metric         name of the metric
-- question_type  what it asks for: counting, colour, position, ...; see the macro question_type
-- experiment     name of the experiment
-- mean           mean over the answered items, 0 to 100
-- overall        the benchmark's number
-- num_items      answered items
-- num_failed     items without an answer; they are not in the mean
-- example        a question of the type
with chosen as (
    select *
    from experiment_scores
    where ($experiments is null or list_contains($experiments, experiment))
        and ($benchmark is null or benchmark = $benchmark)
        and ($metric is null or metric = $metric)
),
overall as (
    select distinct experiment, benchmark, protocol, metric, number as overall
    from chosen
)
select
    benchmark,
    protocol,
    metric,
    question_type,
    experiment,
    avg(value) as mean,
    any_value(overall) as overall,
    count(value) as num_items,
    count(*) - count(value) as num_failed,
    arg_min(question, (length(question), item_id)) as example
from chosen
join overall using (experiment, benchmark, protocol, metric)
group by benchmark, protocol, metric, question_type, experiment
order by benchmark, protocol, metric, question_type, experiment;
