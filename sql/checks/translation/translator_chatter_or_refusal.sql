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
        case
            when not regexp_matches("text", translator_chatter()) then ''
            else regexp_extract(
                regexp_replace(
                    "text", '(?s)```.*?```|内訳|通訳|言い訳|申し訳|という訳|[たるな]訳(?:で|が|も|に)', ' ', 'g'
                ),
                translator_chatter()
            )
        end as chatter,
        case
            when original is null then ''
            else regexp_extract("text", '翻訳|[和邦]訳|訳[文注]|日本語訳|原文|英文')
        end as mentioned,
        regexp_extract("text", refusal()) as refused
    from turns
)
select sample_id, turn_index, concat_ws(' ', chatter, refused, mentioned) || ': ' || left("text", 200) as evidence
from spoken
where (chatter <> '' and not regexp_matches(coalesce(original, ''), '(?i)translat|japanese')
        and not (
            regexp_matches(chatter, '注[:：]|(?i)note:') and regexp_matches(coalesce(original, ''), '(?i)\bnotes?\b|\*')
        ))
    or (
        original is not null
        and (
            regexp_matches(
                "text",
                '^\s*(?:(?:承知(?:いた)?しました|かしこまりました|了解(?:いた)?しました|わかりました)[。、!！]'
                || '|(?:ユーザー|アシスタント|システム|人間|User|Assistant|Human)\s*[:：])'
            )
            or (contains("text", '>') and regexp_matches("text", '(?i)</?(?:translat[a-z]*|japanese|ja|source|target)>'))
            or (contains("text", '訳') and regexp_matches("text", '[（(](?:意訳|直訳)[)）]'))
            or contains("text", '日本語版です')
        )
        and not regexp_matches(
            original,
            '(?i)^\W*(?:sure|certainly|of course|ok|okay|alright|all right|understood|got it|great|yes|absolutely'
            || '|i (?:see|understand|will|am|got)|no problem|user|assistant|human|system|acknowledged|thank|noted|sounds)'
            || '|<(?:translat[a-z]*|japanese|ja|source|target)'
        )
    )
    or (mentioned <> '' and not regexp_matches(original, '(?i)translat|interpret|version|original|english|japanese'))
    or (
        refused <> ''
        and not regexp_matches(coalesce(original, ''), '(?i)translat|language model|\bAI\b')
        and not (
            regexp_matches(refused, 'テキスト|文章|入力')
            and regexp_matches(coalesce(original, ''), '(?i)\b(?:text|input|enter|type|paste|empty|sentence)')
        )
        and (
            regexp_matches("text", '[^し]訳|言語モデル')
            or not regexp_matches(
                coalesce(original, ''),
                '(?i)sorry|apologi|unable|cannot|can[''’]t|assistant|unfortunately|rather not|not (?:able|enough|possible)'
            )
        )
    );
