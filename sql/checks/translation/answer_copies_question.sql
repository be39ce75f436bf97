-- One row per answer that says its question again instead of answering.
-- An original that does so too is left alone.
-- severity: reject
--
-- sample_id   the sample
-- turn_index  the answer, from 0
-- evidence    the answer
with beginnings as (
    -- Only the beginnings are kept until most answers are left out: all questions at once need much memory.
    select sample_id, turn_index, left(ltrim(replace("text", '<image>', ''), E' \n　「"'), 5) as beginning
    from turns
    where role = 'user'
),
answers as materialized (
    select answers.sample_id, answers.turn_index, answers."text", answers.original
    from turns as answers
    join beginnings
        on beginnings.sample_id = answers.sample_id and beginnings.turn_index = answers.turn_index - 1
    where answers.role = 'assistant' and contains(answers."text", beginning)
),
exchanges as materialized (
    select
        answers.sample_id,
        answers.turn_index,
        answers."text",
        plain_letters(answers."text") as answer,
        plain_letters(asked(answers."text")) as first_sentence,
        plain_letters(asked(questions."text")) as question,
        coalesce(starts_with(plain_letters(answers.original), plain_letters(asked(questions.original))), false)
            as is_copied_in_original
    from answers
    join turns as questions
        on questions.sample_id = answers.sample_id and questions.turn_index = answers.turn_index - 1
    where questions.role = 'user'
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
