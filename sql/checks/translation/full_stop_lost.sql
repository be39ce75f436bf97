-- One row per answer without the full stop that its original ends in: a sentence that breaks off after a noun or a verb
-- looks like this, and so does careless typing. A full stop is missed where the other sentences of the text, or nine in
-- ten answers of the same source, have one; where a source has fewer than fifty, nine in ten of the dataset and most of
-- its own.
-- severity: warn
-- example: 1 [["<image>\n説明してください。", "<image>\nPlease describe it."], ["空は晴れています。赤い屋根の家", "The sky is clear. There is a house with a red roof."]]
-- example: 1 ["<image>\n説明してください。", "空は晴れています。赤い屋根の家があり、庭には犬が走ってい"]
--
-- sample_id   the sample
-- turn_index  the turn, from 0
-- evidence    the end of the text
with ended as materialized (
    select
        sample_id,
        turn_index,
        "source",
        rtrim("text", E' \n　') as "text",
        original,
        regexp_matches("text", sentence_end()) as has_end,
        coalesce(regexp_matches(original, '[^.][.!?]["''”’)\s]*$'), false) as has_original_end
    from turns
    where role = 'assistant' and strlen("text") >= 12
),
answers as (
    select "source", has_end
    from ended
    where length(original) >= 25 and has_original_end
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
)
select sample_id, turn_index, '…' || right("text", 60) as evidence
from ended
left join habits using ("source")
where not has_end
    and (
        (has_original_end and not is_list("text") and (contains("text", '。') or (has_full_stops and length(original) >= 25)))
        or (original is null and regexp_matches("text", '。[^。\n]{8,}$') and regexp_matches("text", '(?:[いえけせてねべめれ]|た[いり]|ま|し|さ|こ|よ|と|に|を|の|が|は)$'))
    );
