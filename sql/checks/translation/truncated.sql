-- One row per turn that breaks off: in the middle of a sentence, inside of a bracket, without the full stop that its
-- original has, or with far fewer sentences. A full stop is missed where the other sentences of the text, or nine in
-- ten answers of the same source, have one; where a source has fewer than fifty, nine in ten of the dataset and most of
-- its own.
-- severity: reject
--
-- sample_id   the sample
-- turn_index  the turn, from 0
-- evidence    why, and the end of the text
with ended as materialized (
    select
        sample_id,
        turn_index,
        "source",
        role,
        rtrim("text", E' \n　') as "text",
        original,
        regexp_matches("text", sentence_end()) as has_end,
        coalesce(regexp_matches(original, '[^.][.!?]["''”’)\s]*$'), false) as has_original_end,
        num_unclosed("text") > 0
            or (count_occurrences("text", '"') % 2 = 1 and count_occurrences(original, '"') % 2 = 0) as is_open
    from turns
    where strlen("text") >= 12
),
answers as (
    select "source", has_end
    from ended
    where role = 'assistant' and length(original) >= 25 and has_original_end
),
usual as (
    select count(*) >= 50 and avg(has_end::integer) >= 0.9 as is_usual
    from answers
),
habits as (
    select
        "source",
        case
            when count(*) >= 50 then avg(has_end::integer) >= 0.9
            else avg(has_end::integer) >= 0.7 and any_value(is_usual)
        end as has_full_stops
    from answers, usual
    group by "source"
),
suspicious as (
    select *
    from ended
    left join habits using ("source")
    where not has_end
        or is_open
        or regexp_matches("text", '[0-9][.．)]$')
        or (has_original_end and strlen("text") < 0.9 * strlen(original))
),
judged as (
    select
        sample_id,
        turn_index,
        "text",
        case
            when not has_end and regexp_matches("text", '[をへ、，（「『【]$')
                then 'ends in the middle of a sentence'
            when role = 'assistant' and not has_end and original <> '' and regexp_matches("text", '.{10}[^もてでには][がは]$')
                then 'ends in the middle of a sentence'
            when role = 'assistant' and not has_end and (has_original_end or contains("text", '。'))
                and regexp_matches("text", ends_in_mid_sentence())
                then 'ends in the middle of a sentence'
            when role = 'assistant' and not has_end and has_original_end and not is_list("text")
                and (contains("text", '。') or (has_full_stops and length(original) >= 25))
                then 'the last sentence has no end'
            when has_original_end and regexp_matches("text", '[^0-9]\n[0-9]{1,2}[.．)]?$')
                then 'the last line is empty'
            when is_open and coalesce(num_unclosed(original) = 0, true)
                then 'a bracket is not closed'
            when has_original_end and num_sentences(original) >= 3
                and num_sentences("text") <= 0.5 * num_sentences(original)
                and length("text") < 0.3 * length(original)
                then num_sentences("text") || ' of ' || num_sentences(original) || ' sentences'
        end as reason
    from suspicious
)
select sample_id, turn_index, reason || ': …' || right("text", 60) as evidence
from judged
where reason is not null;
