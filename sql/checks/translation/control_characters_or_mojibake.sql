-- One row per turn with control characters, or with text that was decoded with the wrong encoding.
-- severity: reject
--
-- sample_id   the sample
-- turn_index  the turn, from 0
-- evidence    the first such characters, escaped, and the text
with matched as (
    select
        sample_id,
        turn_index,
        "text",
        original,
        regexp_extract("text", control_characters() || '|' || mojibake()) as found
    from turns
    where regexp_matches("text", control_characters() || '|' || mojibake())
)
select
    sample_id,
    turn_index,
    array_to_string(list_transform(string_split(found, ''), lambda letter: printf('U+%04X', unicode(letter))), ' ')
        || ': ' || "text" as evidence
from matched
where found <> ''
    and not (
        regexp_full_match(found, '[ -~]+')
        and (contains(coalesce(original, ''), found) or not contains(
            regexp_replace("text", '(?s)```.*?```|`[^`\n]*`|https?://[!-~]+', ' ', 'g'), found
        ))
    );
