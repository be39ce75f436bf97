-- One row per benchmark item without a row among an experiment's predictions.
--
-- experiment   name of the experiment
-- role         predictions/NAME
-- fingerprint  the predictions artifact
-- item_id      the item: the id of the benchmark's sample
with answered as (
    select answers.experiment, answers.role, answers.fingerprint, datasets.fingerprint as dataset_fingerprint
    from experiment_steps as answers
    join experiment_steps as datasets
        on datasets.experiment = answers.experiment
        and datasets.role = replace(answers.role, 'predictions/', 'dataset/')
    join manifests on manifests.step = 'predictions' and manifests.fingerprint = answers.fingerprint
    where answers.role like 'predictions/%'
)
select answered.experiment, answered.role, answered.fingerprint, samples.sample_id as item_id
from answered
join samples on samples.fingerprint = answered.dataset_fingerprint
anti join predictions
    on predictions.fingerprint = answered.fingerprint and predictions.item_id = samples.sample_id
order by all;
