-- One row per answer that says yes where the original says no, or the other way round. Answers to questions that are
-- asked in the negative are left alone: English and Japanese answer them the other way round.
-- severity: reject
--
-- sample_id   the sample
-- turn_index  the turn, from 0
-- evidence    the original and the beginning of the text
with answered as (
    select
        sample_id,
        turn_index,
        "text",
        original,
        case
            when regexp_matches(original, english_yes()) then 'yes'
            when regexp_matches(original, english_no()) then 'no'
        end as original_side,
        case
            when regexp_matches("text", japanese_no()) then 'no'
            when regexp_matches("text", japanese_yes()) then 'yes'
        end as side,
        regexp_matches("text", japanese_negation()) as is_negative,
        regexp_matches(original, english_negation()) as is_original_negative,
        length("text") < 60 and num_sentences(original) <= 1 as is_short
    from turns
    where role = 'assistant' and regexp_matches(original, english_yes() || '|' || english_no())
),
other_side as (
    select answered.*, coalesce(questions.original, '') as question, coalesce(questions."text", '') as japanese_question
    from answered
    left join turns as questions
        on questions.sample_id = answered.sample_id and questions.turn_index = answered.turn_index - 1
    where side <> original_side
        or (side is null and is_short and original_side = 'yes' and is_negative and not is_original_negative)
        or (
            side is null
            and regexp_full_match(answered.original, '(?i)no\W*')
            and regexp_full_match(answered."text", '[^。]{1,12}ます。?')
        )
        or (side is null and is_short and original_side = 'no' and not is_negative and is_original_negative)
)
select sample_id, turn_index, left(original, 100) || ' → ' || left("text", 100) as evidence
from other_side
where (side is not null or regexp_matches(question, english_yes_no_question()))
    and not regexp_matches(japanese_question, '(?:ません|ない|なかった)(?:です|でしょう|の)*か')
    and not regexp_matches(question, '(?i)n[''’]t\b|\bnot\b');
