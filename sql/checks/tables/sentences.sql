-- One row per sentence of a translated turn beside the sentence of its original. Where a turn has as many sentences as its
-- original and their lengths fit, the k-th belongs to the k-th; otherwise the whole turn is one row.
--
-- sample_id      varchar  the sample
-- turn_index     bigint   position of the turn in the conversation, from 0
-- role           varchar  user or assistant
-- num_sentences  bigint   sentences of the turn
-- num_originals  bigint   sentences of its original
-- sentence       varchar  what is said
-- original       varchar  the English that was translated
with split as (
    select
        sample_id,
        turn_index,
        role,
        "text",
        original,
        japanese_sentences("text") as sentences,
        english_sentences(original) as originals
    from turns
    where original is not null and not contains(original, '```')
),
compared as (
    select
        *,
        len(sentences) = len(originals)
            and len(sentences) > 1
            and len(
                list_filter(
                    list_zip(sentences, originals),
                    lambda pair: length(pair[1]) > 1.1 * length(pair[2]) or length(pair[1]) < 0.15 * length(pair[2])
                )
            ) = 0 as are_aligned
    from split
),
paired as (
    select
        sample_id,
        turn_index,
        role,
        len(sentences) as num_sentences,
        len(originals) as num_originals,
        unnest(case when are_aligned then sentences else ["text"] end) as sentence,
        unnest(case when are_aligned then originals else [original] end) as original
    from compared
)
select *
from paired;
