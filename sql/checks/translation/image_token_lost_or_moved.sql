-- One row per sample whose image token is not exactly once in the first user turn, before or after the text; without an
-- image, nowhere. A token inside the text counts twice, unless it stands there in the original too. Of several images,
-- each turn must have as many tokens as its original, where one of these is known to have some.
-- severity: reject
--
-- sample_id   the sample
-- turn_index  the first turn with a token too many or too few
-- evidence    image tokens of each turn, and the number of images
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
        list_transform(turns, lambda turn: count_occurrences(turn."text", '<image>')) as tokens,
        list_transform(turns, lambda turn: count_occurrences(turn.original, '<image>')) as tokens_of_originals,
        len(further_images) + (image is not null)::integer as num_images
    from samples
),
compared as (
    select
        sample_id,
        case when num_images < 2 then found else tokens end as found,
        num_images,
        case
            when num_images < 2
                then list_transform(found, lambda num, place: num <> (num_images = 1 and place = first_question)::integer)
            when coalesce(list_sum(tokens_of_originals), 0) > 0
                then list_transform(tokens, lambda num, place: num <> coalesce(tokens_of_originals[place], num))
            else list_transform(tokens, lambda num: false)
        end as is_wrong
    from counted
)
select
    sample_id,
    list_position(is_wrong, true)::bigint - 1 as turn_index,
    '<image> in each turn: ' || found::varchar || '; images: ' || num_images as evidence
from compared
where list_contains(is_wrong, true);
