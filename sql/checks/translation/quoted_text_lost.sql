-- One row per turn in which text that can be read in the image, or stands in quotes in the original, is no longer there
-- word for word. An answer counts as read when its question asks what something says or who wrote it. In talk without
-- an image quotes are speech: a Japanese quotation in their place is enough.
-- severity: reject
--
-- sample_id   the sample
-- turn_index  the turn, from 0
-- evidence    the lost text, and the beginning of the turn
with quoting as (
    select
        sample_id,
        turn_index,
        "text",
        list_concat(quoted_texts(regexp_replace(original, '(?s)```.*?```', '', 'g')), unquoted_writing(original)) as parts
    from turns
    where regexp_matches(original, '["“”‘]|(?:^|[\s(])''|(?i)\b(?:say|read|label|titled|the words?|the name)')
        and not ("source" = 'text-only' and regexp_matches("text", '[「『"“]'))
),
reading as (
    select answers.sample_id, answers.turn_index, answers."text", read_texts(answers.original) as parts
    from turns as questions
    join turns as answers
        on answers.sample_id = questions.sample_id and answers.turn_index = questions.turn_index + 1
    where questions.role = 'user'
        and answers.role = 'assistant'
        and length(answers.original) < 100
        and regexp_matches(answers.original, '[A-Z0-9]')
        and regexp_matches(regexp_extract(questions.original, '^[^?]*'), asks_for_text())
        and not regexp_matches(questions.original, '(?i)describ')
        and not regexp_matches(
            questions.original,
            '(?i)\b(?:what|which)(?: \w+)? (?:colou?rs?|language|shape|types?|kinds?|sort|material|animal|country'
            || '|holiday)\b'
            || '|\b(?:written|printed) (?:on|in|with)\s*\?|\bused (?:for|to)\b'
        )
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
    from (from quoting union all from reading)
    where len(parts) > 0
)
select sample_id, turn_index, array_to_string(lost, ' | ') || ': ' || left("text", 200) as evidence
from compared
where len(lost) > 0;
