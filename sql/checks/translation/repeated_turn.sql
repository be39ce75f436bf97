-- One row per question that is asked and answered again in the same words, or that gets the long
-- answer of another question although the originals have two answers.
-- "What colour is it?" may be asked again: a short answer to such a question is left alone.
-- severity: warn
--
-- sample_id   the sample
-- turn_index  the second question, from 0
-- evidence    the question and its answer
with suspicious as materialized (
    select distinct sample_id
    from turns
    where role = 'user' or strlen("text") >= 15
    group by
        sample_id,
        hash(role, replace(replace(replace(replace("text", '<image>', ''), ' ', ''), E'\n', ''), '　', ''))
    having count(*) > 1
),
exchanges as (
    select
        questions.sample_id,
        questions.turn_index,
        trim(regexp_replace(questions."text", '<image>|[\s\p{Z}]+', ' ', 'g')) as question,
        trim(regexp_replace(answers."text", '[\s\p{Z}]+', ' ', 'g')) as answer,
        answers.original
    from suspicious
    join turns as questions using (sample_id)
    join turns as answers
        on answers.sample_id = questions.sample_id and answers.turn_index = questions.turn_index + 1
    where questions.role = 'user' and answers.role = 'assistant'
),
repeated as (
    select
        *,
        row_number() over (partition by sample_id, hash(question, answer) order by turn_index) as num_asked,
        original <> first_value(original) over (partition by sample_id, hash(answer) order by turn_index)
            and length(answer) >= 15 as is_answer_of_another
    from exchanges
)
select sample_id, turn_index, question || ' → ' || answer as evidence
from repeated
where (num_asked > 1 and not (length(answer) <= 4 and regexp_matches(question, '^(?:それ|これ|あれ|ここ|そこ)')))
    or is_answer_of_another;
