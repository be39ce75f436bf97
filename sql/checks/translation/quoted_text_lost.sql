-- One row per turn in which text that can be read in the image, or stands in quotes in the original because it is written
-- somewhere, is no longer there word for word. An answer counts as read when its question asks what something says or
-- who wrote it, or gives the words as OCR tokens. Quoted speech may be translated, but a quotation must be left of it;
-- in talk without an image that holds for all quotations. Latin text in Japanese quotation marks must be in the original.
-- severity: warn
--
-- sample_id   the sample
-- turn_index  the turn, from 0
-- evidence    the lost text, and the beginning of the turn
with marked as (
    select
        text_id,
        "source",
        "text",
        case when contains(original, '```') then regexp_replace(original, '(?s)```.*?```', '', 'g') else original end as original
    from texts
    where regexp_matches(original, '["“”‘]|(?:^|[\s(])''|(?i)\b(?:say|read|label|titled|the words?|the name)')
        and not ("source" = 'text-only' and regexp_matches("text", '[「『"“]'))
),
quoted as materialized (
    select
        *,
        len(list_filter(quoted_texts(original), lambda part: not contains("text", part))) > 0 as is_lost,
        case
            when is_lost and not (regexp_matches("text", '［[^］]+］|\[[^\]]*\p{Han}[^\]]*\]|【[^】]+】') and not regexp_matches(original, '(?i)\b(?:says?|reads?|written|printed)\b'))
                then written_texts(original)
            else []
        end as written,
        case
            when is_lost
                and regexp_matches(original, '(?i)\b(?:he|she|they|i|we|you|man|woman|boy|girl|say|saying|said|asks?|asked)\b')
                then list_transform(spoken_texts(original), lambda said: trim(said, ' "“”‘’''.,;:!?()'))
            else []
        end as spoken,
        unquoted_writing(original) as unquoted
    from marked
),
quoting as (
    select
        text_id,
        "text",
        list_concat(
            case
                when len(spoken) = 0 then written
                else list_filter(written, lambda part: not list_contains(spoken, part))
            end,
            list_concat(
                unquoted,
                case
                    when regexp_matches("text", '[「『"“‘’''［\[【]|と[言い思尋聞答叫]|とか') then []
                    else list_filter(quoted_texts(original), lambda part: count_occurrences(part, ' ') >= 2)
                end
            )
        ) as parts
    from quoted
    union all
    select
        text_id,
        "text",
        list_transform(
            string_split(regexp_extract(original, 'OCR tokens?: ?([^\n]*)', 1), ','), lambda part: trim(part)
        ) as parts
    from texts
    where role = 'user' and contains(original, 'OCR token')
),
asking as (
    select text_id, original
    from texts
    where role = 'user'
        and (
            contains(original, 'OCR token')
            or (contains(original, '?') and regexp_matches(regexp_extract(original, '^[^?]*'), asks_for_text()))
        )
        and not regexp_matches(original, '(?i)describ')
        and not regexp_matches(
            original,
            '(?i)\b(?:what|which)(?: \w+)? (?:colou?rs?|language|shape|types?|kinds?|sort|material|animal|country'
            || '|holiday)\b'
            || '|\b(?:written|printed) (?:on|in|with)\s*\?|\bused (?:for|to)\b'
        )
),
reading as (
    select
        answers.sample_id,
        answers.turn_index,
        answers."text",
        case
            when contains(asking.original, 'OCR token') then [answers.original] else read_texts(answers.original)
        end as parts
    from asking
    join turns as questions using (text_id)
    join turns as answers
        on answers.sample_id = questions.sample_id and answers.turn_index = questions.turn_index + 1
    where answers.role = 'assistant'
        and length(answers.original) < 100
        and case
            when contains(asking.original, 'OCR token')
                then list_has_all(
                    regexp_extract_all(lower(regexp_extract(asking.original, 'OCR tokens?:([^\n]*)', 1)), '[^\s,]+'),
                    regexp_extract_all(lower(answers.original), '[^\s,.]+')
                )
            else regexp_matches(answers.original, '[A-Z0-9]')
        end
),
all_parts as (
    select sample_id, turn_index, quoting."text", parts
    from quoting
    join turns using (text_id)
    where len(parts) > 0
    union all
    from reading
    where len(parts) > 0
),
compared as (
    select
        sample_id,
        turn_index,
        "text",
        list_filter(
            parts,
            lambda part: case
                when contains("text", part) then false
                else not contains(letters_and_digits("text"), letters_and_digits(part))
            end
        ) as lost
    from all_parts
)
select sample_id, turn_index, array_to_string(lost, ' | ') || ': ' || left("text", 200) as evidence
from compared
where len(lost) > 0
union
select sample_id, turn_index, 'not in the original: ' || left(unknown."text", 200) as evidence
from (
    select text_id, "text"
    from texts
    where (contains("text", '「') or contains("text", '『'))
        and regexp_matches("text", '[「『][A-Za-z][A-Za-z0-9 ''’!?.,&-]+[」』]')
        and original is not null
        and len(
            list_filter(
                regexp_extract_all("text", '[「『]([A-Za-z][A-Za-z0-9 ''’!?.,&-]+)[」』]', 1),
                lambda part: case
                    when contains(original, part) then false
                    else not contains(letters_and_digits(original), letters_and_digits(part))
                end
            )
        ) > 0
) as unknown
join turns using (text_id);
