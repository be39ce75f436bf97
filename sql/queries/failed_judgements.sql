-- One row per judgement without usable scores, with what the judge replied last.
--
-- $experiment  experiment  only this experiment (default none)
-- $max_rows    integer     judgements to show, at most (default 20)
--
-- experiment  name of the experiment
-- benchmark   name of the benchmark
-- item_id     the item
-- category    category of the item
-- repeat      how often the answer was judged before, from 0
-- status      unreadable, out_of_range, refused, no_reply or no_answer
-- reason      the same in words
-- reply       the last reply as it came, null when there is none
select
    steps.experiment,
    judgements.benchmark,
    judgements.item_id,
    judgements.category,
    judgements.repeat,
    judgements.status,
    judgements.reason,
    judgements.replies[-1] as reply
from judgements
join experiment_steps as steps on steps.step = 'judgements' and steps.fingerprint = judgements.fingerprint
where judgements.status <> 'ok' and ($experiment is null or steps.experiment = $experiment)
order by steps.experiment, judgements.benchmark, judgements.repeat, judgements.item_id
limit $max_rows;
