-- One row per assistant turn that is still English prose: hardly any Japanese, and a sentence of small words.
-- Names, short answers, numbers, addresses and code are left alone.
-- severity: reject
--
-- sample_id   the sample
-- turn_index  the turn, from 0
-- evidence    how many letters, and the beginning of the text
with prose as (
    select
        sample_id,
        turn_index,
        regexp_replace("text", '(?s)```.*?```|`[^`]*`|https?://\S+|<image>', ' ', 'g') as "text"
    from turns
    where role = 'assistant'
),
counted as (
    select
        *,
        length(regexp_replace("text", '[^A-Za-z]', '', 'g')) as num_latin,
        length(regexp_replace("text", '[^\p{Hiragana}\p{Katakana}\p{Han}]', '', 'g')) as num_japanese,
        length(regexp_replace("text", '[^{}()\[\];=<>_/\\]', '', 'g')) as num_code_signs,
        len(
            list_filter(
                regexp_split_to_array("text", '\s+'),
                lambda word: regexp_full_match(word, '[a-z]{2,}[.,!?;:]?')
            )
        ) as num_small_words
    from prose
)
select
    sample_id,
    turn_index,
    num_latin || ' Latin letters, ' || num_japanese || ' kana and kanji: ' || trim("text") as evidence
from counted
where num_latin >= 20
    and num_japanese < 0.05 * (num_latin + num_japanese)
    and num_small_words >= 3
    and 10 * num_code_signs < num_latin;
