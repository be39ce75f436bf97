-- One row per answer that says its question again instead of answering.
-- An original that does so too is left alone.
-- severity: reject
--
-- sample_id   the sample
-- turn_index  the answer, from 0
-- evidence    the answer
with exchanges as materialized (
    select
        answers.sample_id,
        answers.turn_index,
        answers."text",
        plain_letters(answers."text") as answer,
        plain_letters(asked(answers."text")) as first_sentence,
        plain_letters(asked(questions."text")) as question,
        coalesce(starts_with(plain_letters(answers.original), plain_letters(asked(questions.original))), false)
            as is_copied_in_original
    from turns as questions
    join turns as answers
        on answers.sample_id = questions.sample_id and answers.turn_index = questions.turn_index + 1
    where questions.role = 'user'
        and answers.role = 'assistant'
        and contains(answers."text", left(ltrim(replace(questions."text", '<image>', ''), E' \n　「"'), 5))
)
select sample_id, turn_index, "text" as evidence
from exchanges
where length(question) >= 6
    and (
        question in (answer, first_sentence)
        or (length(question) >= 12 and not regexp_matches(question, '(?:は|って|とは|の|が)$') and (starts_with(answer, question) or starts_with(first_sentence, question)))
    )
    and not is_copied_in_original
    and not regexp_matches("text", '^[`"<]');
