-- One row per experiment, benchmark, protocol, metric and group: what `compare` shows, and a scorer's details.
--
-- $experiment  experiment  only this experiment (default none)
-- $benchmark   string      only this benchmark (default none)
-- $metric      string      only this metric (default none)
-- $breakdown   string      only overall, detail, category, image_category, ... (default none)
--
-- experiment    name of the experiment
-- benchmark     name of the benchmark
-- protocol      which questions of it were asked
-- metric        name of the metric
-- breakdown     overall, category, image_category, question_type, answer_length, or detail: the scorer's own
-- group         the group; overall is the benchmark's number
-- number        0 to 100
-- low           lower end of the 95 % interval
-- high          upper end
-- num_items     items that it is about
-- num_clusters  images or other units that were drawn for the interval
-- num_failed    items of the benchmark without an answer; they are in no number
select
    steps.experiment,
    manifests.summary ->> 'benchmark' as benchmark,
    manifests.summary ->> 'protocol' as protocol,
    numbers.metric,
    numbers.breakdown,
    numbers."group",
    numbers.number,
    numbers.low,
    numbers.high,
    numbers.num_items,
    numbers.num_clusters,
    (manifests.summary ->> 'num_failed')::bigint as num_failed
from benchmark_numbers as numbers
join experiment_steps as steps on steps.step = 'scores' and steps.fingerprint = numbers.fingerprint
join manifests on manifests.step = 'scores' and manifests.fingerprint = numbers.fingerprint
where ($experiment is null or steps.experiment = $experiment)
    and ($benchmark is null or (manifests.summary ->> 'benchmark') = $benchmark)
    and ($metric is null or numbers.metric = $metric)
    and ($breakdown is null or numbers.breakdown = $breakdown)
order by all;
