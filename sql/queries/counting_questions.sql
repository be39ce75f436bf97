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
        question_type(trim(replace("text", '<image>', ''))) = 'counting' as is_counting
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
