-- One row per dataset and answer that is given more than once, the most frequent first.
--
-- $experiment  experiment  only the datasets of this experiment (default none)
-- $max_rows    integer     answers of each dataset, at most (default 10)
--
-- experiment     the experiment, null when none uses the dataset
-- role           dataset/NAME
-- fingerprint    the dataset
-- answer         the text of the turn
-- num_answers    how often it is given
-- percent        of the dataset's answers
-- num_questions  different questions it is given to
-- num_images     different images, or sets of them, it is given on
-- question       the shortest of the questions
with shown as (
    select fingerprint, sample_id, list(image_sha256 order by image_index) as images
    from sample_images
    group by all
),
answers as (
    select
        samples.fingerprint,
        shown.images,
        unnest(list_zip(list_slice(turns, 1, len(turns), 2), list_slice(turns, 2, len(turns), 2))) as exchange
    from samples
    left join shown using (fingerprint, sample_id)
),
counted as (
    select
        answers.fingerprint,
        exchange[2]."text" as answer,
        count(*) as num_answers,
        count(distinct exchange[1]."text") as num_questions,
        count(distinct images) as num_images,
        arg_min(exchange[1]."text", (length(exchange[1]."text"), exchange[1]."text")) as question,
        sum(count(*)) over (partition by answers.fingerprint) as num_all
    from answers
    group by answers.fingerprint, answer
    qualify row_number() over (partition by answers.fingerprint order by num_answers desc, answer) <= $max_rows
)
select
    experiment_steps.experiment,
    experiment_steps.role,
    counted.fingerprint,
    counted.answer,
    counted.num_answers,
    100 * counted.num_answers / counted.num_all as percent,
    counted.num_questions,
    counted.num_images,
    counted.question
from counted
left join experiment_steps using (fingerprint)
where ($experiment is null or experiment_steps.experiment = $experiment) and counted.num_answers > 1
order by experiment, role, counted.fingerprint, counted.num_answers desc, counted.answer;
