-- One row per benchmark item that an experiment's model gave no answer to, with the reason.
--
-- $experiment  experiment  only this experiment (default none)
-- $benchmark   string      only this benchmark (default none)
-- $max_rows    integer     items to show, at most (default 50)
--
-- experiment    name of the experiment
-- benchmark     name of the benchmark
-- protocol      which questions of it were asked
-- item_id       the item
-- error         why there is no answer
-- question      what was asked
-- image_sha256  hash of the first image's bytes
-- fingerprint   the predictions; `llava-jp discard` forgets them, and the next run asks again
select
    experiment_steps.experiment,
    predictions.benchmark,
    predictions.protocol,
    predictions.item_id,
    predictions.error,
    predictions.question,
    predictions.image_sha256,
    predictions.fingerprint
from predictions
join experiment_steps using (fingerprint)
where predictions.error is not null
    and ($experiment is null or experiment = $experiment)
    and ($benchmark is null or benchmark = $benchmark)
order by experiment, benchmark, protocol, item_id
limit $max_rows;
