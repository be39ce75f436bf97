-- One row per answer that spells a word in two ways: with and without a long vowel or a dot (ソファ, ソファー), with other letters
-- for a sound (サンドイッチ, サンドウィッチ), or in kanji and kana; or that calls one thing by two names (ノートパソコン, ラップトップ).
-- severity: warn
-- example: 1 ["<image>\n何がありますか。", "青いソファーがあります。ソファの上には毛布があります。"]
-- example: 1 ["<image>\n何がありますか。", "サンドイッチが二つあります。サンドウィッチにはハムが入っています。"]
-- example: 1 ["<image>\n何がいますか。", "猫が窓辺で寝ています。ネコは外を見るのが好きです。"]
-- example: 1 [["<image>\n説明してください。", "<image>\nPlease describe it."], ["アヒルが道を歩いています。カモは車に気をつけなければなりません。", "A duck is walking on the road. The duck has to watch out for cars."]]
--
-- text_id   the text
-- evidence  the spellings, and the beginning of the text
with words as (
    select
        text_id,
        "text",
        list_distinct(regexp_extract_all("text", '[ァ-ヺー]{2,}')) as katakana,
        list_distinct(regexp_extract_all("text", '[ァ-ヺー・]{6,}'))[:60] as long_words
    from texts
    where role = 'assistant' and regexp_matches("text", '[ァ-ヺー]{2}')
),
spelled as (
    select
        text_id,
        "text",
        list_concat(
            list_concat(
                list_filter(katakana, lambda word: length(word) >= 3 and list_contains(katakana, word || 'ー')),
                case
                    when len(long_words) > len(list_distinct(list_transform(long_words, lambda word: katakana_spelling(word))))
                        then list_filter(
                            long_words,
                            lambda word: length(katakana_spelling(word)) >= 5
                                and len(list_filter(long_words, lambda other: katakana_spelling(other) = katakana_spelling(word))) > 1
                        )
                    else []
                end
            ),
            list_transform(
                list_filter(
                    [
                        ['猫', 'ネコ'], ['犬', 'イヌ'], ['鳥', 'トリ'], ['馬', 'ウマ'], ['牛', 'ウシ'], ['豚', 'ブタ'],
                        ['羊', 'ヒツジ'], ['象', 'ゾウ'], ['猿', 'サル'], ['熊', 'クマ'], ['鴨', 'カモ'], ['眼鏡', 'メガネ'],
                        ['椅子', 'イス'], ['苺', 'イチゴ'], ['人参', 'ニンジン'], ['林檎', 'リンゴ'], ['りんご', 'リンゴ'],
                        ['鞄', 'カバン'], ['煙草', 'タバコ'], ['玉ねぎ', 'タマネギ'], ['アヒル', 'カモ'],
                        ['ノートパソコン', 'ラップトップ'], ['携帯電話', 'ケータイ'], ['自動車', 'クルマ']
                    ],
                    lambda pair: case when list_contains(katakana, pair[2]) then contains("text", pair[1]) else false end
                ),
                lambda pair: pair[1] || ' ' || pair[2]
            )
        ) as spellings
    from words
)
select text_id, array_to_string(spellings, ', ') || ': ' || left("text", 200) as evidence
from spelled
where len(spellings) > 0;
