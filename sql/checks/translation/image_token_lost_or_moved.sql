-- One row per sample whose image token is not exactly once in the first user turn, before or after the text; without an
-- image, nowhere. A token inside the text counts twice, unless it stands there in the original too.
-- severity: reject
--
-- sample_id   the sample
-- turn_index  the first turn with a token too many or too few
-- evidence    image tokens of each turn
with counted as (
    select
        sample_id,
        list_transform(
            turns,
            lambda turn: case
                when not contains(turn."text", '<image>') then 0
                when regexp_matches(turn."text", '\S\s*<image>\s*\S')
                    and not coalesce(regexp_matches(turn.original, '\S\s*<image>\s*\S'), false)
                    then count_occurrences(turn."text", '<image>') + 1
                else count_occurrences(turn."text", '<image>')
            end
        ) as found,
        list_position(list_transform(turns, lambda turn: turn.role), 'user') as first_question,
        image is not null as has_image
    from samples
),
compared as (
    select
        sample_id,
        found,
        list_transform(found, lambda num, place: num <> (has_image and place = first_question)::integer) as is_wrong
    from counted
)
select
    sample_id,
    list_position(is_wrong, true)::bigint - 1 as turn_index,
    '<image> in each turn: ' || found::varchar as evidence
from compared
where list_contains(is_wrong, true);
