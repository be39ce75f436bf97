-- One row per user turn whose instruction on the form of the answer, such as "Answer the question using a single word
-- or phrase", is still English.
-- severity: reject
--
-- sample_id   the sample
-- turn_index  the turn, from 0
-- evidence    the instruction
with matched as (
    select
        sample_id,
        turn_index,
        regexp_extract(regexp_replace("text", quotation(), '', 'g'), format_instruction()) as instruction
    from turns
    where role = 'user' and regexp_matches("text", format_instruction())
)
select sample_id, turn_index, instruction as evidence
from matched
where instruction <> '';
