-- One row per turn that breaks off: in the middle of a sentence, inside of a bracket or code, or with far fewer sentences
-- than its original.
-- severity: reject
--
-- sample_id   the sample
-- turn_index  the turn, from 0
-- evidence    why, and the end of the text
with ended as (
    select
        sample_id,
        turn_index,
        role,
        rtrim("text", E' \n　') as "text",
        original,
        regexp_matches(rtrim("text", E' \n　'), sentence_end()) as has_end,
        coalesce(regexp_matches(original, '[.!?]["''”’)\s]*$'), false) as has_original_end
    from turns
    where length("text") >= 6
),
judged as (
    select
        sample_id,
        turn_index,
        "text",
        case
            when not has_end and regexp_matches("text", '[をへ、，（「『【]$')
                then 'ends in the middle of a sentence'
            when not has_end and (has_original_end or regexp_matches("text", '[。！？].'))
                and regexp_matches("text", ends_in_mid_sentence())
                then 'ends in the middle of a sentence'
            when not has_end and has_original_end and regexp_matches("text", '[。！？].') and not ends_like_a_sentence("text")
                then 'the last sentence has no end'
            when num_unclosed("text") > 0 and coalesce(num_unclosed(original) = 0, true)
                then 'a bracket is not closed'
            when has_original_end and num_sentences(original) >= 3
                and num_sentences("text") <= 0.5 * num_sentences(original)
                and length("text") < 0.3 * length(original)
                then num_sentences("text") || ' of ' || num_sentences(original) || ' sentences'
        end as reason
    from ended
)
select sample_id, turn_index, reason || ': …' || right("text", 60) as evidence
from judged
where reason is not null;
