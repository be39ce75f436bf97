-- One row per answer that mixes polite (です, ます) and plain (だ, である) sentences. Quotations, list items, lines without a
-- full stop (verse, headings) and questions that the answer only mentions are left alone.
-- severity: warn
--
-- sample_id   the sample
-- turn_index  the turn, from 0
-- evidence    a polite and a plain ending
with narrated as (
    select
        sample_id,
        turn_index,
        regexp_replace(
            "text",
            '(?m)^[^。！？\n]+$|^\s*(?:[-*・•●○◆■※]|[0-9０-９]+[.)．）、:：]).*$|' || quotation() || '|（[^（）]*）|\([^()]*\)', '〃', 'g'
        ) as "text"
    from turns
    where role = 'assistant' and regexp_matches("text", polite_ending()) and regexp_matches("text", plain_ending())
),
matched as (
    select
        sample_id,
        turn_index,
        regexp_extract("text", '[^。！？\n]{0,20}(?:' || polite_ending() || ')') as polite,
        regexp_extract("text", '[^。！？\n]{0,20}(?:' || plain_ending() || ')') as plain
    from narrated
)
select sample_id, turn_index, trim(polite) || ' / ' || trim(plain) as evidence
from matched
where polite <> '' and plain <> '';
