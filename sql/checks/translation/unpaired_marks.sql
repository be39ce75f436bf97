-- One row per turn with brackets, quotation marks or ** that have no partner, although the original's have, or where
-- there is no original.
-- severity: warn
-- example: 1 ["<image>\n何が見えますか？", "車の**速度**と**密度が交通量を示しています。"]
-- example: 1 ["<image>\n何が見えますか？", "映画『パッセンジャーズ**』の場面です。"]
-- example: 1 ["<image>\n何が見えますか？", "映画タイタニック』は悲しい結末です。"]
-- example: 1 ["<image>\n何が見えますか？", "看板には「出口と書かれています。"]
-- example: 1 ["<image>\n何が見えますか？", "犬（白いプードルが走っています。"]
-- example: 1 [["<image>\n何が見えますか？", "<image>\nWhat do you see?"], ["彼は「来るよ。", "He said, \"I will come.\""]]
--
-- text_id   the text
-- evidence  what has no partner, and the beginning of the text
with counted as (
    select
        text_id,
        "text",
        original,
        regexp_replace(
            case when regexp_matches("text", '[`(（]') then regexp_replace("text", '(?s)```.*?```|`[^`\n]*`|(?m)^\s*[0-9A-Za-z０-９ア-ン一-十]{1,3}[)）]|[:;]-?[)(]', '', 'g') else "text" end,
            '[（(][^()（）]*[)）]|「[^「」]*」|『[^『』]*』|【[^【】]*】|《[^《》]*》|\*\*[^*]+\*\*', '', 'g'
        ) as outside
    from texts
    where regexp_matches("text", '[（()）「」『』【】《》]|\*\*')
),
unpaired as (
    select
        *,
        regexp_extract_all(
            regexp_replace(outside, '[（(][^()（）]*[)）]|「[^「」]*」|『[^『』]*』', '', 'g'), '[（()）「」『』【】《》]|\*\*'
        ) as marks
    from counted
    where regexp_matches(outside, '[（()）「」『』【】《》]|\*\*')
    union all
    -- Half of a ** pair inside of brackets that have their partners.
    select *, ['**'] as marks
    from counted
    where not contains(outside, '**') and count_occurrences("text", '**') % 2 = 1 and not contains("text", '```')
)
select text_id, array_to_string(marks, ' ') || ': ' || left("text", 200) as evidence
from unpaired
where len(marks) > 0
    and (
        original is null
        or (list_has_any(marks, ['（', '(', '）', ')']) and num_unclosed(original) = 0 and count_occurrences(original, ')') = count_occurrences(original, '('))
        or (list_contains(marks, '**') and count_occurrences(original, '**') % 2 = 0)
        or (
            list_has_any(marks, ['「', '」', '『', '』', '【', '】', '《', '》'])
            and count_occurrences(original, '"') % 2 = 0
            and count_occurrences(original, '“') = count_occurrences(original, '”')
        )
    );
