-- One row per turn in which the translator speaks: about the translation, as a language model, or to refuse. What the
-- English original says of itself is left alone; an original that does not speak of translations needs no word for
-- them. Questions about a translation, and their answers, are left alone where there is no original.
-- severity: reject
--
-- sample_id   the sample
-- turn_index  the turn, from 0
-- evidence    the words, and the beginning of the text
with spoken as (
    select
        sample_id,
        turn_index,
        role,
        "text",
        original,
        case
            when not regexp_matches("text", translator_chatter()) then ''
            else regexp_extract(
                regexp_replace(
                    "text", '(?s)```.*?```|内訳|通訳|言い?訳|申し?訳|という訳|[たるな]訳(?:で|が|も|に)|翻訳(?:者|家|機|アプリ|ソフト|モデル|会社|書|本|版)|機械翻訳', ' ', 'g'
                ),
                translator_chatter()
            )
        end as chatter,
        case
            when original is null then ''
            else regexp_extract("text", '(?:^|[^械])翻訳(?:する|し[たてま]|は|を|文|結果)|[和邦]訳|訳[文注]|日本語訳|原文|英文')
        end as mentioned,
        regexp_extract(replace("text", '言い訳', ''), refusal()) as refused
    from turns
)
select
    spoken.sample_id,
    spoken.turn_index,
    concat_ws(' ', chatter, refused, mentioned) || ': ' || left(spoken."text", 200) as evidence
from spoken
left join turns as before on before.sample_id = spoken.sample_id and before.turn_index = spoken.turn_index - 1
where not (
    spoken.original is null
    and regexp_matches(case spoken.role when 'user' then spoken."text" else before."text" end, '訳|日本語|英語|何語|意味')
)
and ((chatter <> '' and not regexp_matches(coalesce(spoken.original, ''), '(?i)translat|japanese')
        and not (
            regexp_matches(chatter, '注[:：]|(?i)note:') and regexp_matches(coalesce(spoken.original, ''), '(?i)\bnotes?\b|\*')
        ))
    or (
        spoken.original is not null
        and (
            regexp_matches(
                spoken."text",
                '^\s*(?:(?:承知(?:いた)?しました|かしこまりました|了解(?:いた)?しました|わかりました)[。、!！]'
                || '|(?:ユーザー|アシスタント|システム|人間|User|Assistant|Human)\s*[:：])'
            )
            or (contains(spoken."text", '>') and regexp_matches(spoken."text", '(?i)</?(?:translat[a-z]*|japanese|ja|source|target)>'))
            or (contains(spoken."text", '訳') and regexp_matches(spoken."text", '[（(](?:意訳|直訳)[)）]'))
            or contains(spoken."text", '日本語版です')
        )
        and not regexp_matches(
            spoken.original,
            '(?i)^\W*(?:sure|certainly|of course|ok|okay|alright|all right|understood|got it|great|yes|absolutely'
            || '|i (?:see|understand|will|am|got)|no problem|user|assistant|human|system|acknowledged|thank|noted|sounds)'
            || '|<(?:translat[a-z]*|japanese|ja|source|target)'
        )
    )
    or (mentioned <> '' and not regexp_matches(spoken.original, '(?i)translat|interpret|version|original|english|japanese|lingual|language|written|\bMT\b'))
    or (
        refused <> ''
        and not regexp_matches(coalesce(spoken.original, ''), '(?i)translat|language model|\bAI\b')
        and not (
            regexp_matches(refused, 'テキスト|文章|入力')
            and regexp_matches(coalesce(spoken.original, ''), '(?i)\b(?:text|input|enter|type|paste|empty|sentence)')
        )
        and (
            regexp_matches(spoken."text", '[^し]訳|言語モデル')
            or not regexp_matches(
                coalesce(spoken.original, ''),
                '(?i)sorry|apologi|unable|cannot|can[''’]t|assistant|unfortunately|rather not|not (?:able|enough|possible)'
            )
        )
    ));
