-- One row per user turn whose instruction on the form of the answer is translated differently than usual: less than a
-- fifth as often as the most frequent translation of the same instruction. Without originals, instructions that ask for
-- the same form are compared; where the original has an instruction and no Japanese one is recognised, the last sentence
-- stands for it.
-- severity: warn
--
-- text_id   the text
-- evidence  the instruction, and the usual one
with instructed as (
    select
        text_id,
        num_turns,
        case
            when regexp_matches("text", japanese_format_instruction())
                then regexp_extract("text", japanese_format_instruction())
            else regexp_extract("text", '[^。\n？?<>]+[。？?]?\s*(?:<image>)?\s*$')
        end as instruction,
        coalesce(
            nullif(lower(regexp_extract(original, format_instruction())), ''),
            format_asked_for(instruction)
        ) as form
    from texts
    where role = 'user'
        and (
            regexp_matches("text", japanese_format_instruction())
            or regexp_matches(original, '\?\s*\n' || format_instruction())
        )
),
counted as (
    select form, instruction, sum(num_turns) as num_same
    from instructed
    where form <> ''
    group by all
),
usual as (
    select form, arg_max(instruction, num_same) as usual_instruction, max(num_same) as num_usual
    from counted
    group by form
)
select text_id, instruction || ' instead of ' || usual_instruction as evidence
from instructed
join counted using (form, instruction)
join usual using (form)
where instruction <> usual_instruction and 5 * num_same < num_usual;
