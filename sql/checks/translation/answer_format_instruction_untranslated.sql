-- One row per user turn whose instruction on the form of the answer, such as "Answer the question using a single word
-- or phrase", is still English.
-- severity: reject
--
-- text_id   the text
-- evidence  the instruction
with matched as (
    select
        text_id,
        regexp_extract(regexp_replace("text", quotation(), '', 'g'), format_instruction()) as instruction
    from texts
    where role = 'user' and regexp_matches("text", format_instruction())
)
select text_id, instruction as evidence
from matched
where instruction <> '';
