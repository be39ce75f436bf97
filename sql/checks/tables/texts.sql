-- One row per text: what is said in the same words, by the same role, in one source and for the same original, is read once,
-- however many conversations say it.
--
-- text_id    ubigint  the turns of a text have the same
-- source     varchar  where the samples come from
-- role       varchar  user or assistant
-- text       varchar  what is said
-- original   varchar  the English text that was translated, null when it is not known
-- num_turns  bigint   turns that say it
select text_id, "source", role, "text", original, count(*) as num_turns
from turns
group by all;
