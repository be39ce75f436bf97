-- One row per sample whose turns are not a question and its answer by turns, from the first question to the last
-- answer.
-- severity: reject
--
-- sample_id   the sample
-- turn_index  the first turn that is out of order, or the last one when its answer is missing
-- evidence    who speaks, turn by turn
with spoken as (
    select
        sample_id,
        list_transform(turns, lambda turn: turn.role) as roles,
        list_position(
            list_transform(turns, lambda turn, place: (turn.role = 'user') = (place % 2 = 1)),
            false
        ) as first_wrong
    from samples
)
select
    sample_id,
    case when first_wrong > 0 then first_wrong - 1 when len(roles) > 0 then len(roles) - 1 end as turn_index,
    case when len(roles) = 0 then 'no turns' else array_to_string(roles, ', ') end as evidence
from spoken
where first_wrong > 0 or len(roles) % 2 = 1 or len(roles) = 0;
