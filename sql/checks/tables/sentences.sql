-- One row per sentence of the original of an answer, beside what was made of it: the sentence at the same place where the
-- answer has as many sentences and their lengths fit, otherwise the whole answer.
--
-- text_id    ubigint  the answer
-- place      bigint   the sentence of the original, from 1
-- is_paired  boolean  whether both are known to belong together
-- num_fewer  bigint   sentences of the original less those of the answer
-- sentence   varchar  what is said
-- original   varchar  the English sentence
with split as (
    select
        text_id,
        "text",
        japanese_sentences("text") as sentences,
        english_sentences(original) as originals
    from texts
    where role = 'assistant' and original is not null and length(original) < 4000 and not contains(original, '```')
),
compared as (
    select
        text_id,
        "text",
        sentences,
        originals,
        len(sentences) = len(originals)
            and (
                len(sentences) = 1
                or len(
                    list_filter(
                        list_zip(sentences, originals),
                        lambda pair: length(pair[1]) > 1.1 * length(pair[2]) or length(pair[1]) < 0.15 * length(pair[2])
                    )
                ) = 0
            ) as is_paired
    from split
)
select
    text_id,
    generate_subscripts(originals, 1) as place,
    is_paired,
    len(originals) - len(sentences) as num_fewer,
    case when is_paired then unnest(sentences) else "text" end as sentence,
    unnest(originals) as original
from compared;
