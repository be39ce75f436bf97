-- One row per experiment, benchmark item and metric, with the answer; an item without an answer has no value.
--
-- experiment           varchar  name of the experiment
-- fingerprint          varchar  the scores artifact
-- dataset_fingerprint  varchar  the benchmark's items; only scores over the same items can be compared
-- benchmark            varchar  name of the benchmark
-- protocol             varchar  which questions of it were asked
-- metric               varchar  name of the metric
-- item_id              varchar  the item
-- category             varchar  category of the item, if it has one
-- image_category       varchar  category of its image, if it has one
-- question_type        varchar  what it asks for: counting, colour, position, ...; see the macro question_type
-- answer_length        varchar  length of the expected answer in characters: 01-05, 06-15, 16-40, 41+
-- value                double   0 to 100, null when the item has no answer
-- number               double   the benchmark's number in this metric, 0 to 100; not the mean of the values for all metrics
-- question             varchar  what was asked
-- reference            varchar  the expected answer
-- prediction           varchar  the model's answer
-- image_sha256         varchar  hash of the first image's bytes
with scored as (
    select
        steps.experiment,
        steps.fingerprint,
        datasets.fingerprint as dataset_fingerprint,
        manifests.inputs['predictions'] as predictions_fingerprint
    from experiment_steps as steps
    join manifests on manifests.step = 'scores' and manifests.fingerprint = steps.fingerprint
    left join experiment_steps as datasets
        on datasets.experiment = steps.experiment and datasets.role = 'dataset/' || split_part(steps.role, '/', 2)
    where steps.role like 'scores/%'
),
metrics as (
    select fingerprint, metric, number
    from benchmark_numbers
    where breakdown = 'overall'
)
select
    scored.experiment,
    scored.fingerprint,
    scored.dataset_fingerprint,
    predictions.benchmark,
    predictions.protocol,
    metrics.metric,
    predictions.item_id,
    predictions.category,
    predictions.image_category,
    predictions.question_type,
    predictions.answer_length,
    scores.value,
    metrics.number,
    predictions.question,
    predictions.reference,
    predictions.prediction,
    predictions.image_sha256
from scored
join metrics on metrics.fingerprint = scored.fingerprint
join predictions on predictions.fingerprint = scored.predictions_fingerprint
left join scores
    on scores.fingerprint = scored.fingerprint
    and scores.item_id = predictions.item_id
    and scores.metric = metrics.metric;
