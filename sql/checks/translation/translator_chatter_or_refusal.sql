-- One row per turn in which the translator speaks: about the translation, as a language model, or to refuse. What the
-- English original says of itself is left alone; an original that does not speak of translations needs no word for
-- them.
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
        case
            when original is null then ''
            else regexp_extract("text", '翻訳|[和邦]訳|訳[文注]|日本語訳|原文|英文')
        end as mentioned,
        regexp_extract("text", refusal()) as refused
    from turns
)
select sample_id, turn_index, concat_ws(' ', chatter, refused, mentioned) || ': ' || left("text", 200) as evidence
from spoken
where (chatter <> '' and not regexp_matches(coalesce(original, ''), '(?i)translat|japanese'))
    or (mentioned <> '' and not regexp_matches(original, '(?i)translat|interpret|version|original|english|japanese'))
    or (
        refused <> ''
        and not regexp_matches(coalesce(original, ''), '(?i)translat|language model|\bAI\b')
        and (
            regexp_matches("text", '訳|言語モデル')
            or not regexp_matches(coalesce(original, ''), '(?i)sorry|apologi|unable|cannot|can''t|assistant')
        )
    );
