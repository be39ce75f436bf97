-- One row per answer that spells a word in two ways: with and without the long vowel at its end (ソファ, ソファー), or in kanji and
-- kana, or that calls one thing by two names (ノートパソコン, ラップトップ).
-- severity: warn
-- example: 1 ["<image>\n何がありますか。", "青いソファーがあります。ソファの上には毛布があります。"]
-- example: 1 ["<image>\n何がいますか。", "猫が窓辺で寝ています。ネコは外を見るのが好きです。"]
-- example: 1 [["<image>\n説明してください。", "<image>\nPlease describe it."], ["アヒルが道を歩いています。カモは車に気をつけなければなりません。", "A duck is walking on the road. The duck has to watch out for cars."]]
--
-- text_id   the text
-- evidence  the spellings, and the beginning of the text
with words as (
    select
        text_id,
        "text",
        list_distinct(regexp_extract_all("text", '[ァ-ヺー]{3,}')) as katakana,
        list_filter(
            [
                ['猫', 'ネコ'], ['犬', 'イヌ'], ['鳥', 'トリ'], ['馬', 'ウマ'], ['牛', 'ウシ'], ['豚', 'ブタ'], ['羊', 'ヒツジ'],
                ['象', 'ゾウ'], ['猿', 'サル'], ['熊', 'クマ'], ['鴨', 'カモ'], ['眼鏡', 'メガネ'], ['椅子', 'イス'],
                ['子供', '子ども'], ['綺麗', 'きれい'], ['苺', 'イチゴ'], ['人参', 'ニンジン'], ['林檎', 'リンゴ'],
                ['りんご', 'リンゴ'], ['鞄', 'カバン'], ['煙草', 'タバコ'], ['玉ねぎ', 'タマネギ'], ['アヒル', 'カモ'],
                ['ノートパソコン', 'ラップトップ'], ['携帯電話', 'ケータイ'], ['自動車', 'クルマ']
            ],
            lambda pair: contains("text", pair[1]) and contains("text", pair[2])
        ) as pairs
    from texts
    where role = 'assistant' and regexp_matches("text", '[ァ-ヺー]{2}|子ども|きれい')
),
spelled as (
    select
        text_id,
        "text",
        list_concat(
            list_filter(katakana, lambda word: list_contains(katakana, word || 'ー')),
            -- Short words in katakana are parts of others: トリ, トリック.
            list_transform(
                list_filter(pairs, lambda pair: regexp_matches("text", '(?:^|[^ァ-ヺー])' || pair[2] || '(?:[^ァ-ヺー]|$)')),
                lambda pair: pair[1] || ' ' || pair[2]
            )
        ) as spellings
    from words
    where len(katakana) > 1 or len(pairs) > 0
)
select text_id, array_to_string(spellings, ', ') || ': ' || left("text", 200) as evidence
from spelled
where len(spellings) > 0;
