-- One row per answer that says its question again instead of answering.
-- An original that does so too is left alone.
-- severity: reject
--
-- sample_id   the sample
-- turn_index  the answer, from 0
-- evidence    the answer
with exchanges as (
    select
        answers.sample_id,
        answers.turn_index,
        answers."text",
        answers.original,
        questions."text" as question,
        questions.original as original_question
    from turns as questions
    join turns as answers
        on answers.sample_id = questions.sample_id and answers.turn_index = questions.turn_index + 1
    where questions.role = 'user'
        and answers.role = 'assistant'
        and contains(answers."text", left(ltrim(replace(questions."text", '<image>', ''), E' \n　「"'), 4))
)
select sample_id, turn_index, "text" as evidence
from exchanges
where length(plain_letters(question)) >= 6
    and (
        plain_letters("text") = plain_letters(question)
        or (length(plain_letters(question)) >= 12 and starts_with(plain_letters("text"), plain_letters(question)))
    )
    and not coalesce(starts_with(plain_letters(original), plain_letters(original_question)), false);
