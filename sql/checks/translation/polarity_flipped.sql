-- One row per turn that says yes where the original says no, that lost or gained a negation, or that says the opposite:
-- right for left, closed for open. Texts with as many sentences as their original are compared sentence by sentence,
-- others as a whole. Questions that are asked in the negative are left alone: English and Japanese answer them the
-- other way round.
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
        regexp_matches(original, english_negation()) as is_original_negative
    from turns
    where role = 'assistant' and regexp_matches(original, english_yes() || '|' || english_no())
),
other_side as (
    select answered.*
    from answered
    left join turns as questions
        on questions.sample_id = answered.sample_id and questions.turn_index = answered.turn_index - 1
    where (
        side <> original_side
        or (side is null and original_side = 'yes' and is_negative and not is_original_negative)
        or (side is null and regexp_full_match(answered.original, '(?i)no\W*') and regexp_full_match(answered."text", '[^。]{1,12}ます。?'))
        or (
            side is null
            and original_side = 'no'
            and not is_negative
            and is_original_negative
            and length(answered."text") < 60
        )
    )
    and not regexp_matches(coalesce(questions."text", ''), '(?:ません|ない|なかった)(?:です|でしょう|の)*か')
    and not regexp_matches(coalesce(questions.original, ''), '(?i)n''t\b|n’t\b|\bnot\b')
),
negated as (
    select
        sample_id,
        turn_index,
        "text",
        original,
        role,
        without_japanese_idioms("text") as said,
        without_english_idioms(original) as original_said
    from turns
    where original is not null
        and length("text") >= 4
        and case
            when not regexp_matches(original, plain_english_negation())
                then regexp_matches("text", strong_japanese_negation())
            -- As many negations in both languages say the same, but for かもしれません and the like.
            else regexp_matches("text", 'かも|なけ|しか|違い|申し|だけで')
                or len(regexp_extract_all(original, plain_english_negation()))
                    <> len(regexp_extract_all("text", strong_japanese_negation()))
        end
),
split as materialized (
    select
        *,
        english_sentences(original_said) as originals,
        english_sentences(original) as whole_originals,
        role = 'assistant' or contains(original, 'describes') as may_gain,
        japanese_sentences(said) as sentences
    from negated
    where length(original) < 2000
        and "text" not like '%```%'
        and length("text") > 0.25 * length(original)
),
compared as (
    select
        *,
        len(originals) = len(sentences)
            and len(
                list_filter(
                    range(1, len(originals) + 1),
                    lambda place: length(sentences[place]) > 1.1 * length(originals[place])
                        or length(sentences[place]) < 0.15 * length(originals[place])
                )
            ) = 0 as are_aligned
    from split
),
changed as (
    select sample_id, turn_index, "text", original
    from compared
    where case
        when are_aligned
            then len(
                list_filter(
                    range(1, len(originals) + 1),
                    lambda place: (
                        regexp_matches(originals[place], plain_english_negation())
                        and not regexp_matches(sentences[place], any_japanese_negation())
                    )
                    or (
                        may_gain
                        and regexp_matches(sentences[place], strong_japanese_negation())
                        and not regexp_matches(
                            case when len(originals) = len(whole_originals) then whole_originals[place] else original end,
                            any_english_negation()
                        )
                    )
                )
            ) > 0
        else (
            regexp_matches(original_said, plain_english_negation())
            and not regexp_matches(said, any_japanese_negation())
        )
        or (
            may_gain
            and regexp_matches(said, strong_japanese_negation())
            and not regexp_matches(original, any_english_negation())
        )
    end
),
opposed as (
    select sample_id, turn_index, "text", original
    from turns
    where role = 'assistant'
        and length(original) < 100
        and regexp_matches("text", japanese_opposite())
        and not regexp_matches(original, plain_english_negation())
        and not regexp_matches("text", strong_japanese_negation())
        and has_opposite(original, "text")
)
select sample_id, turn_index, left(original, 100) || ' → ' || left("text", 100) as evidence
from (
    select sample_id, turn_index, "text", original from other_side
    union
    from changed
    union
    from opposed
);
