-- One row per sample that is nearly an earlier sample with the same image: the same words but for punctuation, spaces,
-- case and です or ます, or, in a longer conversation, kana and what one leaves out. 白い猫 and 黒い猫 are not the same. Only
-- conversations that begin or end alike are compared. Exact copies are found by duplicate_conversation.
-- severity: warn
--
-- sample_id   the sample
-- turn_index  always null: it is the whole conversation
-- evidence    the earlier sample
with ends as (
    select
        record_index,
        coalesce(image_sha256, image) as image,
        len(turns) as num_turns,
        plain_words(left(turns[1]."text", 30)) as question_start,
        plain_words(right(turns[len(turns) - 1]."text", 30)) as question_end,
        plain_words(left(turns[2]."text", 30)) as answer_start,
        plain_words(right(turns[len(turns)]."text", 30)) as answer_end
    from samples
    where len(turns) > 1
),
keys as (
    from (
        select
            record_index,
            unnest([
                hash(image, 1, question_start, answer_start), hash(image, 2, question_end, answer_end),
                hash(image, 3, answer_start, answer_end), hash(image, 4, question_start, question_end, answer_end),
                case when image is not null then hash(image, 5, question_start, question_end, num_turns) end
            ]) as alike
        from ends
    )
    where alike is not null
    qualify count(*) over (partition by alike) > 1
),
neighbours as (
    select distinct
        record_index,
        unnest([
            first_value(record_index) over (partition by alike order by record_index),
            lag(record_index) over (partition by alike order by record_index)
        ]) as earlier_index
    from keys
),
pairs as (
    select record_index, earlier_index
    from neighbours
    where earlier_index < record_index
),
said as materialized (
    -- A conversation is in several pairs.
    select sample_id, record_index, texts, plain_words(array_to_string(texts, E'\n')) as words
    from (
        select sample_id, record_index, list_transform(turns, lambda turn: turn."text") as texts
        from samples
        where record_index in (from (select record_index from pairs union all select earlier_index from pairs))
    )
),
compared as materialized (
    select said.sample_id, earlier.sample_id as earlier_sample, said.words, earlier.words as earlier_words
    from pairs
    join said using (record_index)
    join said as earlier on earlier.record_index = pairs.earlier_index
    where said.texts <> earlier.texts
),
alike as materialized (
    -- Columns of their own: inside of a lambda an expression is computed for every letter.
    select *, content_letters(words) as content, content_letters(earlier_words) as earlier_content
    from compared
    where words = earlier_words
        or (abs(length(words) - length(earlier_words)) <= 0.06 * length(words) and jaccard(words, earlier_words) > 0.85)
)
select
    sample_id,
    null::bigint as turn_index,
    'nearly the same as sample ' || min(earlier_sample) as evidence
from alike
where is_near(words, earlier_words, content, earlier_content)
group by sample_id;
