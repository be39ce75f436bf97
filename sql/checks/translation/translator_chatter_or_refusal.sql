-- One row per turn in which the translator speaks: about the translation, as a language model, or to refuse.
-- What the English original says of itself is left alone.
-- severity: reject
--
-- sample_id   the sample
-- turn_index  the turn, from 0
-- evidence    the words, and the beginning of the text
with spoken as (
    select
        sample_id,
        turn_index,
        "text",
        original,
        regexp_extract("text", translator_chatter()) as chatter,
        regexp_extract("text", refusal()) as refused
    from turns
)
select sample_id, turn_index, chatter || refused || ': ' || left("text", 200) as evidence
from spoken
where (chatter <> '' and not regexp_matches(coalesce(original, ''), '(?i)translat|japanese'))
    or (
        refused <> ''
        and not regexp_matches(
            coalesce(original, ''), '(?i)sorry|apologi|unable|cannot|can''t|language model|assistant|\bAI\b'
        )
    );
