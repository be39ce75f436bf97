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
        text_id,
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
            else regexp_extract("text", '(?:^|[^械])翻訳(?:する|し[たてま]|は|を|に|文|結果)|[和邦]訳|訳[文注]|日本語訳|原文|英文')
        end as mentioned,
        regexp_extract(replace("text", '言い訳', ''), refusal()) as refused
    from texts
    where regexp_matches("text", '訳|翻|AI|人工知能|言語モデル|でき|出来|かね|テキスト|文章|原文|英文|英語|日本語|入力|断り|不可能|控え|承知|かしこまり|了解|わかりました|[A-Za-z]{4}|[:：>※]')
),
found as (
    select text_id, role, "text", original, concat_ws(' ', chatter, refused, mentioned) as words
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
            or (mentioned <> '' and not regexp_matches(original, '(?i)translat|interpret|version|original|english|japanese|lingual|language|written|\bMT\b'))
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
            )
)
select turns.sample_id, turns.turn_index, words || ': ' || left(found."text", 200) as evidence
from found
join turns using (text_id)
left join turns as before on before.sample_id = turns.sample_id and before.turn_index = turns.turn_index - 1
where found.original is not null
    or not regexp_matches(
        case found.role when 'user' then found."text" else coalesce(before."text", '') end, '訳|日本語|英語|何語|意味'
    );
