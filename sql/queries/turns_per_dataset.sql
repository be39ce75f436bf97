-- One row per dataset and experiment that uses it: how long its conversations are.
--
-- experiment                the experiment, null when none uses the dataset
-- role                      dataset/NAME
-- fingerprint               the dataset
-- num_samples               samples
-- num_text_only             samples without an image
-- num_turns                 turns of all samples
-- mean_turns                turns of a sample, mean
-- max_turns                 turns of the longest sample
-- mean_question_characters  length of a user's turn, the image token included
-- mean_answer_characters    length of an assistant's turn
with lengths as (
    select
        fingerprint,
        image,
        len(turns) as num_turns,
        list_filter(turns, lambda turn: turn.role = 'user') as questions,
        list_filter(turns, lambda turn: turn.role = 'assistant') as answers
    from samples
),
totals as (
    select
        fingerprint,
        count(*) as num_samples,
        count(*) filter (image is null) as num_text_only,
        sum(num_turns)::bigint as num_turns,
        avg(num_turns) as mean_turns,
        max(num_turns) as max_turns,
        sum(list_sum(list_transform(questions, lambda turn: length(turn."text")))) / sum(len(questions))
            as mean_question_characters,
        sum(list_sum(list_transform(answers, lambda turn: length(turn."text")))) / sum(len(answers))
            as mean_answer_characters
    from lengths
    group by fingerprint
)
select experiment_steps.experiment, experiment_steps.role, totals.*
from totals
left join experiment_steps using (fingerprint)
order by experiment, role, fingerprint;
