-- One row per answer whose Japanese has Latin punctuation or blanks in place of 、 and 。: a comma or a full stop after
-- Japanese letters, 。 beside another mark, or blanks between clauses of a text without 、 and 。.
-- severity: warn
-- example: 1 ["<image>\n何が見えますか？", "その塔は高く,古く,とても人気があります."]
-- example: 1 ["<image>\n何が見えますか？", "川の近くで 犬を散歩させていた彼女は 姿を消しました。"]
-- example: 1 ["<image>\n何が見えますか？", "なんて美しい写真でしょう！。春に撮られました。"]
-- example: 1 ["<image>\n何が見えますか？", "犬が走っています。。猫もいます。"]
--
-- text_id   the text
-- evidence  the place, and the beginning of the text
with suspicious as (
    select text_id, "text", regexp_extract("text", latin_punctuation()) as place
    from texts
    where role = 'assistant' and regexp_matches("text", '[ ,.。]') and regexp_matches("text", latin_punctuation())
)
select text_id, place || ' in: ' || left("text", 200) as evidence
from suspicious
where not contains("text", '```');
