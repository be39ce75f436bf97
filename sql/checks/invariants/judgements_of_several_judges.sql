-- One row per judgements artifact whose replies came from more than one model, or that mixes prompts.
--
-- fingerprint    the judgements artifact
-- judge_model    the judge that was asked
-- served_models  the models that replied, null when none did
-- num_prompts    prompts in use
select
    fingerprint,
    any_value(judge_model) as judge_model,
    list_sort(list(distinct served_model) filter (where served_model is not null)) as served_models,
    count(distinct prompt_sha256) as num_prompts
from judgements
group by fingerprint
having coalesce(len(served_models), 0) > 1 or num_prompts > 1 or count(distinct judge_model) > 1
order by all;
