-- One row per question that is asked and answered again in the same words.
-- severity: warn
--
-- sample_id   the sample
-- turn_index  the second question, from 0
-- evidence    the question and its answer
with exchanges as (
    select
        questions.sample_id,
        questions.turn_index,
        trim(regexp_replace(questions."text", '<image>|[\s\p{Z}]+', ' ', 'g')) as question,
        trim(regexp_replace(answers."text", '[\s\p{Z}]+', ' ', 'g')) as answer
    from turns as questions
    join turns as answers
        on answers.sample_id = questions.sample_id and answers.turn_index = questions.turn_index + 1
    where questions.role = 'user' and answers.role = 'assistant'
)
select sample_id, turn_index, question || ' → ' || answer as evidence
from exchanges
qualify row_number() over (partition by sample_id, question, answer order by turn_index) > 1;
