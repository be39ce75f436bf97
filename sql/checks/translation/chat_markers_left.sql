-- One row per turn in which a marker of a chat template, a prompt or a tokenizer was left: </s>, <|im_end|>, [/INST],
-- <think>, "ASSISTANT:" or "### 応答:" at the start of a line. What the original says too, and code, is left alone.
-- severity: reject
-- example: 1 ["<image>\n何が見えますか？", "猫です。</s>"]
-- example: 1 ["<image>\n何が見えますか？", "猫です。<|im_end|>"]
-- example: 1 ["<image>\n何が見えますか？", "猫です。<EOD|LLM-jp>"]
-- example: 1 ["<image>\n何が見えますか？", "猫です。<pad|LLM-jp><pad|LLM-jp>"]
-- example: 1 ["<image>\n何が見えますか？", "[/INST] 猫です。"]
-- example: 1 ["<image>\n何が見えますか？", "<think>\n猫に見える。\n</think>\n猫です。"]
-- example: 1 ["<image>\n何が見えますか？", "ASSISTANT: 猫です。"]
-- example: 1 ["<image>\n何が見えますか？", "### 応答:\n猫です。"]
-- example: 1 [["<image>\n何が見えますか？", "<image>\nWhat do you see?"], ["### 回答\n猫です。", "It is a cat."]]
-- example: 1 ["<image>\n何が見えますか？", "<start_of_turn>猫です。<end_of_turn>"]
-- example: 1 ["<image>\n何が見えますか？", "<｜Assistant｜>猫です。<｜end▁of▁sentence｜>"]
--
-- text_id   the text
-- evidence  the markers, and the beginning of the text
with marked as (
    select
        text_id,
        "text",
        original,
        regexp_extract_all(
            regexp_replace(replace("text", '<image>', ''), '(?s)```.*?```|`[^`\n]*`|「[^「」]{1,40}」', '', 'g'), chat_marker()
        ) as markers
    from texts
    where regexp_matches("text", '[<\[#:：]') and regexp_matches("text", chat_marker())
)
select
    text_id,
    array_to_string(list_transform(list_distinct(markers), lambda marker: trim(marker, E' \n')), ' ') || ': ' || left("text", 200)
        as evidence
from marked
where len(markers) > 0
    and not regexp_matches(coalesce(original, ''), chat_marker());
