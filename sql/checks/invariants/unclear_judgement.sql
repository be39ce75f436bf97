-- One row per judgement whose status and scores say different things.
--
-- fingerprint      the judgements artifact
-- item_id          the item
-- repeat           how often the answer was judged before
-- status           its status
-- reference_score  score of the reference answer, null where it has none
-- model_score      score of the model's answer
select fingerprint, item_id, repeat, status, reference_score, model_score
from judgements
where status not in ('ok', 'unreadable', 'out_of_range', 'refused', 'no_reply', 'no_answer')
    or (status = 'ok') <> (
        coalesce(reference_score between 0 and 10, protocol in ('llm-as-a-judge', 'jawildtext-board-vqa'))
        and coalesce(model_score between 0 and 10, false)
    )
    or (status <> 'ok' and (reference_score is not null or model_score is not null))
    or (status = 'ok') <> (reason is null)
    or (status in ('unreadable', 'out_of_range', 'refused') and len(replies) = 0)
    or (status = 'ok' and len(replies) = 0 and model_score <> 0)
order by all;
