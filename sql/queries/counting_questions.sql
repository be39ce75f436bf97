-- One row per dataset and source: how many of the questions ask for a number of things, the article's named weakness.
--
-- $experiment  experiment  only the datasets of this experiment (default none)
--
-- experiment      the experiment, null when none uses the dataset
-- role            dataset/NAME
-- fingerprint     the dataset
-- source          where the samples come from
-- num_questions   user turns
-- num_counting    user turns that ask for a number of things
-- percent         of the questions
-- example         the shortest of them
with questions as (
    select
        fingerprint,
        "source",
        trim(replace("text", '<image>', '')) as question,
        regexp_matches(
            "text",
            'いくつ|いくつか?の|何(人|名|個|匹|頭|羽|台|本|枚|冊|杯|軒|棟|隻|機|両|足|着|輪|皿|切れ|種類|つ|組|段|列|行|文字|か所|箇所|ヶ所|カ所)'
            || '|(人|個|台|匹|本|枚|もの|物)?の?(数|個数|人数|台数|匹数|本数|枚数)(は|を|が)(何|いく|どれ|教え|数え|答え)'
            || '|どれ(くらい|ぐらい|だけ)の(数|人数|個数)'
        ) as is_counting
    from turns
    where role = 'user'
)
select
    experiment_steps.experiment,
    experiment_steps.role,
    questions.fingerprint,
    questions."source",
    count(*) as num_questions,
    count(*) filter (is_counting) as num_counting,
    100.0 * count(*) filter (is_counting) / count(*) as percent,
    arg_min(question, length(question)) filter (is_counting) as example
from questions
left join experiment_steps using (fingerprint)
where $experiment is null or experiment_steps.experiment = $experiment
group by questions.fingerprint, experiment, role, questions."source"
order by experiment, role, num_counting desc, questions."source";
