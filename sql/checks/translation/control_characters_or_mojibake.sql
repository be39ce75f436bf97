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
        regexp_extract(
            "text",
            '[\x00-\x08\x0B\x0C\x0E-\x1F\x7F-\x{9F}\x{FFFD}]'  -- control characters, replacement character
            || '|(?:[ãäåæçèé][\x{80}-\x{BF}€‚ƒ„…†‡ˆ‰Š‹Œ‘’“”•–—˜™š›œžŸ]{1,2}){2}'  -- UTF-8 kana, kanji as Windows-1252
            || '|Ã[\x{80}-\x{BF}]|â€'  -- UTF-8 accents, quotes as Windows-1252
            || '|[縺繧繝].{1,2}[縺繧繝]'  -- UTF-8 kana as Shift JIS
        ) as found
    from turns
)
select
    sample_id,
    turn_index,
    array_to_string(list_transform(string_split(found, ''), lambda letter: printf('U+%04X', unicode(letter))), ' ')
        || ': ' || "text" as evidence
from matched
where found <> '';
