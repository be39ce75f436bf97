-- One row per answer that mixes polite (です, ます) and plain (だ, である) sentences. Quotations, list items, lines without a
-- full stop (verse, headings) and questions that the answer only mentions are left alone.
-- severity: warn
--
-- text_id   the text
-- evidence  a polite and a plain ending
with narrated as (
    select
        text_id,
        regexp_replace(
            "text",
            '(?m)^[^。！？\n]+$|^\s*(?:[-*・•●○◆■※]|[0-9０-９]+[.)．）、:：]).*$|' || quotation() || '|（[^（）]*）|\([^()]*\)', '〃', 'g'
        ) as "text"
    from texts
    where role = 'assistant' and regexp_matches("text", polite_ending()) and regexp_matches("text", plain_ending())
),
matched as (
    select
        text_id,
        regexp_extract("text", '[^。！？\n]{0,20}(?:' || polite_ending() || ')') as polite,
        regexp_extract("text", '[^。！？\n]{0,20}(?:' || plain_ending() || ')') as plain
    from narrated
)
select text_id, trim(polite) || ' / ' || trim(plain) as evidence
from matched
where polite <> '' and plain <> '';
