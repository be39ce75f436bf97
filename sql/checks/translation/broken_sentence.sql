-- One row per turn with a sentence that begins with a particle, so that its first word is lost, or an answer with one that ends
-- in が, so that its verb is lost.
-- severity: warn
-- example: 1 ["<image>\n何がありますか。", "棚には青い花瓶が。"]
-- example: 0 ["<image>\nどの色を選びますか？を選んだ理由を説明してください。", "青です。空の色だからです。"]
--
-- text_id   the text
-- evidence  the place, and the beginning of the text
with found as (
    select text_id, "text", regexp_extract("text", '(?:^|[。！？])\s*[をがへ][一-鿿ァ-ヺ][^。]{0,12}|[^。]{0,12}[一-鿿ァ-ヺー]が。') as place
    from texts
    where regexp_matches("text", '(?:^|[。！？])\s*[をがへ][一-鿿ァ-ヺ]')
        or (role = 'assistant' and regexp_matches("text", '[一-鿿ァ-ヺー]が。(?:[^」』]|$)'))
)
select text_id, place || ': ' || left("text", 200) as evidence
from found;
