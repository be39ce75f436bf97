-- One row per turn with control characters, with text that was decoded with the wrong encoding, or with ？？, □ or 〓 in
-- place of letters that were lost. What the original has too is left alone.
-- example: 1 ["<image>\n何を飲んでいますか？", "彼は??を一杯飲んでいます。"]
-- example: 1 ["<image>\n何を飲んでいますか？", "彼は□□を飲んでいます。"]
-- example: 1 ["<image>\n何を飲んでいますか？", "彼は〓を飲んでいます。"]
-- example: 1 ["<image>\n何を飲んでいますか？", "牛乳を？？でいます。"]
-- severity: reject
--
-- text_id   the text
-- evidence  the first such characters, escaped, and the text
with matched as (
    select
        text_id,
        "text",
        original,
        regexp_extract("text", control_characters() || '|' || mojibake() || '|' || lost_letters()) as found
    from texts
    where regexp_matches("text", control_characters() || '|' || mojibake() || '|' || lost_letters())
)
select
    text_id,
    array_to_string(list_transform(string_split(found, ''), lambda letter: printf('U+%04X', unicode(letter))), ' ')
        || ': ' || "text" as evidence
from matched
where found <> ''
    and not contains(coalesce(original, ''), trim(found))
    and not (
        regexp_full_match(found, '[ -~]+')
        and (contains(coalesce(original, ''), found) or not contains(
            regexp_replace("text", '(?s)```.*?```|`[^`\n]*`|https?://[!-~]+', ' ', 'g'), found
        ))
    );
