-- One row per answered benchmark item that lacks the value of a metric.
--
-- experiment   name of the experiment
-- fingerprint  the scores artifact
-- benchmark    name of the benchmark
-- metric       the metric
-- item_id      the item
select experiment, fingerprint, benchmark, metric, item_id
from experiment_scores
where prediction is not null and value is null
order by all;
