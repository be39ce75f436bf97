-- One row per turn written with letters that no one types: half-width katakana, Kangxi radicals in place of kanji,
-- letters with a blank between each, or ideographs of compatibility. What the original has is left alone.
-- severity: warn
-- example: 1 ["<image>\n何が見えますか？", "男性がﾃｰﾌﾞﾙでｺｰﾋｰを飲んでいます。"]
-- example: 1 ["<image>\n何が見えますか？", "電子⼿帳にもう⼀度サインインします。"]
-- example: 1 ["<image>\n何が見えますか？", "男 性 が 公 園 で 犬 を 散 歩 さ せ て い ま す 。"]
-- example: 1 ["<image>\n何が見えますか？", "これは C a l i f o r n i a の写真です。"]
--
-- text_id   the text
-- evidence  the letters, and the beginning of the text
with found as (
    select
        text_id,
        "text",
        regexp_extract("text", odd_letters()) as letters
    from texts
    where regexp_matches("text", odd_letters())
)
select text_id, letters || ': ' || left("text", 200) as evidence
from found;
