-- One row per answered benchmark item and repeat that was judged never or more than once.
--
-- fingerprint     the judgements artifact
-- item_id         the item: that of the predictions
-- repeat          how often the answer was judged before
-- num_judgements  judgements of it
with judged as (
    select
        fingerprint,
        inputs['predictions'] as predictions_fingerprint,
        (config ->> '$.judge.repeats')::bigint as repeats
    from manifests
    where step = 'judgements'
),
expected as (
    select judged.fingerprint, predictions.item_id, unnest(range(judged.repeats)) as repeat
    from judged
    join predictions on predictions.fingerprint = judged.predictions_fingerprint
)
select fingerprint, expected.item_id, expected.repeat, count(judgements.status) as num_judgements
from expected
left join judgements using (fingerprint, item_id, repeat)
group by all
having num_judgements <> 1
order by all;
