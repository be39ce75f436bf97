-- One row per turn that lost the layout of its original: its line breaks, the items of a list, or its headings.
-- severity: warn
-- example: 1 [["<image>\n説明してください。", "<image>\nPlease describe it."], ["見えるものは次の通りです：  *店の前の赤い車*店の後ろの2本の木*犬を連れた男性", "Here is what I see:\n\n* A red car in front of the shop\n* Two trees behind the shop\n* A man with a dog"]]
-- example: 1 [["<image>\n説明してください。", "<image>\nPlease describe it."], ["犬がいます。猫もいます。鳥もいます。", "There is a dog.\n\nThere is a cat.\n\nThere is a bird."]]
-- example: 1 [["<image>\n説明してください。", "<image>\nPlease describe it."], ["手順\n犬を洗う。", "# Steps\nWash the dog."]]
--
-- text_id   the text
-- evidence  what is lost, and the beginning of the text
with laid_out as (
    select
        text_id,
        role,
        "text",
        count_occurrences(regexp_replace(trim(replace(original, '<image>', ''), E' \n'), '\n\s*\n+', E'\n', 'g'), E'\n') as num_breaks,
        count_occurrences(regexp_replace(trim(replace("text", '<image>', ''), E' \n　'), '\n\s*\n+', E'\n', 'g'), E'\n') as num_kept,
        len(regexp_extract_all(original, '(?m)^\s*(?:[-*•+]|[0-9]{1,2}[.)])\s')) as num_items,
        len(regexp_extract_all("text", '(?m)^\s*(?:[-*•・●○■◆+‐－ー]|[0-9０-９]{1,2}[.)．）、:：]|[①-⑳])')) as num_kept_items,
        len(regexp_extract_all(original, '(?m)^#{1,6}\s')) as num_headings,
        len(regexp_extract_all("text", '(?m)^#{1,6}\s')) as num_kept_headings
    from texts
    where contains(original, E'\n') or starts_with(original, '#')
)
select
    text_id,
    concat_ws(', ',
        case when num_kept <= 0.5 * num_breaks then num_kept || ' of ' || num_breaks || ' line breaks' end,
        case when num_kept_items <= 0.5 * num_items then num_kept_items || ' of ' || num_items || ' list items' end,
        case when num_kept_headings <= 0.5 * num_headings then num_kept_headings || ' of ' || num_headings || ' headings' end
    ) || ': ' || left("text", 200) as evidence
from laid_out
where (num_breaks > (role = 'user')::integer and num_kept <= 0.5 * num_breaks)
    or (num_items > 1 and num_kept_items <= 0.5 * num_items)
    or (num_headings > 0 and num_kept_headings <= 0.5 * num_headings);
