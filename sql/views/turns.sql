-- One row per turn of a conversation.
--
-- fingerprint  varchar  the dataset
-- sample_id    varchar  the sample
-- turn_index   bigint   position in the conversation, from 0
-- role         varchar  user or assistant
-- text         varchar  what is said
with numbered as (
    select fingerprint, sample_id, generate_subscripts(turns, 1) - 1 as turn_index, unnest(turns) as turn
    from samples
)
select fingerprint, sample_id, turn_index, turn.role as role, turn."text" as "text"
from numbered;
