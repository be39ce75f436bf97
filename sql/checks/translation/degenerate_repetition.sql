-- One row per turn that repeats itself: a sentence of eight characters or more three times, or twice where the sentences of
-- the original differ; a letter, a word or a phrase several times in a row; or a stretch of 26 or sixty characters in
-- which less than 40 % of the groups of four characters differ. Numbers before the items of a list do not count. Probes
-- choose the turns that are worth counting.
-- severity: reject
--
-- text_id   the text
-- evidence  what is repeated, and the beginning of the text
with probed as materialized (
    select
        text_id,
        "text",
        original,
        case when role = 'assistant' then has_local_repetition("text") else false end as has_local,
        case when strlen("text") >= 36 then has_frequent_probe("text") else false end as is_frequent,
        repeated_pieces("text") as num_pieces
    from texts
    where strlen("text") >= 24
),
suspicious as materialized (
    select
        text_id,
        "text",
        original,
        regexp_replace("text", '\n\s*[0-9０-９]+[.．)）:：]\s*', E'\n', 'g') as unnumbered,
        has_local or num_pieces >= 3 as is_local,
        strlen("text") >= 36 and (num_pieces >= 2 or is_frequent) as is_long
    from probed
    where is_frequent or has_local or num_pieces >= 1
),
counted as materialized (
    select
        *,
        lower(replace(original, ',', '')) as plain_original,
        repeated_sentence(unnumbered) as sentence,
        case
            when repeated_sentence_count(original, 6) < 2 then sentence_said_twice(unnumbered)
        end as second,
        case
            when is_local
                then list_filter(
                    list_transform(
                        list_filter(pieces_of_120("text"), lambda piece: has_local_repetition(piece) or repeated_pieces(piece) >= 1),
                        lambda piece: repeated_unit(piece)
                    ),
                    lambda unit: unit is not null
                )[1]
        end as unit,
        case
            when is_long
                then list_filter(
                    list_concat(
                        regexp_extract_all(unnumbered, '(?s).{14,60}'),
                        list_concat(
                            regexp_extract_all(unnumbered, '(?s).{26}'),
                            regexp_extract_all(substring(unnumbered, 14), '(?s).{26}')
                        )
                    ),
                    -- So few groups have few letters, which are counted sooner.
                    lambda stretch: case
                        when list_unique(string_split(stretch, '')) < 0.4 * (length(stretch) - 3) + 3
                            then list_unique(groups_of_four(stretch)) < 0.4 * (length(stretch) - 3)
                        else false
                    end
                )
            else []
        end as stretches
    from suspicious
)
select text_id, coalesce(sentence, second, unit, stretches[1]) || ' … ' || left("text", 200) as evidence
from counted
where (sentence is not null or second is not null or unit is not null or len(stretches) > 0)
    and repeated_sentence(original) is null
    and coalesce(repeated_word_count(plain_original) = 0, true);
