-- One row per turn that breaks off in the middle of a sentence although its original does not, or whose last line is empty,
-- or that has far fewer sentences than its original.
-- severity: reject
--
-- text_id   the text
-- evidence  why, and the end of the text
with ended as (
    select
        text_id,
        role,
        rtrim("text", E' \n　') as "text",
        original,
        regexp_matches("text", sentence_end()) as has_end,
        regexp_matches(original, '[^.][.!?]["''”’)\s]*$') and not regexp_matches(original, '\b(?:etc|so on|and|or|but|Inc|Ltd|Co)\.?$') as has_original_end
    from texts
    where strlen("text") >= 12
),
judged as (
    select
        text_id,
        "text",
        case
            when not has_end
                and coalesce(has_original_end, role = 'assistant' and length("text") >= 8)
                and regexp_matches("text", '[をへ、，（「『【]$')
                then 'ends in the middle of a sentence'
            when role = 'assistant'
                and not has_end
                and coalesce(has_original_end, regexp_matches("text", '。[^。]{8,}$'))
                and (regexp_matches("text", ends_in_mid_sentence()) or (has_original_end and regexp_matches("text", '.{10}[^もてでには][がは]$')))
                then 'ends in the middle of a sentence'
            when has_original_end and regexp_matches("text", '[^0-9]\n[0-9]{1,2}[.．)]?$')
                then 'the last line is empty'
            when has_original_end and num_sentences(original) >= 3
                and num_sentences("text") <= 0.5 * num_sentences(original)
                and length("text") < 0.3 * length(original)
                then num_sentences("text") || ' of ' || num_sentences(original) || ' sentences'
        end as reason
    from ended
    where not has_end
        or regexp_matches("text", '[0-9][.．)]$')
        or (has_original_end and strlen("text") < 0.9 * strlen(original))
)
select text_id, reason || ': …' || right("text", 60) as evidence
from judged
where reason is not null;
