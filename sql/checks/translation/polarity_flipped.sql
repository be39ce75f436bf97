-- One row per answer that says yes where the original says no, or no where it says yes. Questions that are asked in the
-- negative are left alone: English and Japanese answer them the other way round.
-- severity: reject
--
-- sample_id   the sample
-- turn_index  the answer, from 0
-- evidence    the original and the beginning of the text
with judged as (
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
        regexp_matches(original, english_negation()) as is_original_negative
    from turns
    where role = 'assistant'
        and original is not null
        and (length(original) < 120 or regexp_matches(original, english_yes() || '|' || english_no()))
),
flipped as (
    select sample_id, turn_index, "text", original
    from judged
    where side <> original_side
        or (side is null and original_side = 'yes' and is_negative and not is_original_negative)
        or (side is null and regexp_full_match(original, '(?i)no\W*') and regexp_full_match("text", '[^。]{1,12}ます。?'))
        or (side is null and original_side = 'no' and not is_negative and is_original_negative and length("text") < 60)
        or (
            original_side is null
            and length(original) < 120
            and case
                when regexp_matches(original, plain_english_negation())
                    then side is distinct from 'no' and not regexp_matches("text", any_japanese_negation())
                else is_negative and not regexp_matches(original, any_english_negation())
            end
            and not regexp_matches(original, '[.!?]\s+\S|,|;')
        )
)
select
    flipped.sample_id,
    flipped.turn_index,
    left(flipped.original, 100) || ' → ' || left(flipped."text", 100) as evidence
from flipped
left join turns as questions
    on questions.sample_id = flipped.sample_id and questions.turn_index = flipped.turn_index - 1
where not regexp_matches(coalesce(questions."text", ''), '(?:ません|ない|なかった)(?:です|でしょう|の)*か')
    and not regexp_matches(coalesce(questions.original, ''), '(?i)n''t\b|n’t\b|\bnot\b');
