-- One row per turn of a conversation.
--
-- fingerprint   varchar  the dataset
-- sample_id     varchar  the sample
-- record_index  bigint   position of the sample in the source, from 0
-- source        varchar  where the sample comes from
-- turn_index    bigint   position in the conversation, from 0
-- role          varchar  user or assistant
-- text          varchar  what is said
-- original      varchar  the English text that was translated, null when it is not known
-- text_id       ubigint  the same for the same words of the same role, source and original
with numbered as (
    select
        fingerprint,
        sample_id,
        record_index,
        "source",
        generate_subscripts(turns, 1) - 1 as turn_index,
        unnest(turns) as turn
    from samples
)
select
    fingerprint,
    sample_id,
    record_index,
    "source",
    turn_index,
    turn.role as role,
    turn."text" as "text",
    turn.original as original,
    hash("source", turn.role, turn."text", turn.original) as text_id
from numbered;
