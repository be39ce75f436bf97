-- One row per assistant turn that is still English: prose with little Japanese, an English sentence on its own, or the
-- unchanged words of the original: small ones, unless the question asks to read them, or a short answer that other turns
-- of the dataset translate. Names, numbers, addresses, code and quotes are left alone.
-- severity: reject
--
-- sample_id   the sample
-- turn_index  the turn, from 0
-- evidence    how many letters, and the beginning of the text
with prose as (
    select
        sample_id,
        turn_index,
        trim("text") as "text",
        original,
        regexp_replace("text", '(?s)```.*?```|`[^`]*`|https?://[!-~]+|<image>|' || quotation(), ' ', 'g') as words
    from turns
    where role = 'assistant' and regexp_matches("text", '[A-Za-z][ ,.!?\n]+[a-z0-9]+[ ,.!?\n]+[a-z]|^[\sa-z]+[.!]?\s*$')
),
counted as (
    select
        *,
        length(regexp_replace(words, '[^A-Za-z]+', '', 'g')) as num_latin,
        length(regexp_replace(words, '[^\p{Hiragana}\p{Katakana}\p{Han}]+', '', 'g')) as num_japanese,
        length(regexp_replace(words, '[^{}()\[\];=<>_/\\]+', '', 'g')) as num_code_signs,
        count_small_words(words) as num_small_words
    from prose
),
english as materialized (
    select
        sample_id,
        turn_index,
        num_latin || ' Latin letters, ' || num_japanese || ' kana and kanji: ' || left("text", 300) as evidence,
        coalesce("text" = trim(original) and regexp_full_match("text", '[a-z]+(?: [a-z]+)*[.!]?'), false) as is_unchanged
    from counted
    where 10 * num_code_signs < num_latin
        and (
            (num_latin >= 20 and num_small_words >= 3 and num_japanese < 0.25 * (num_latin + num_japanese))
            or (num_latin >= 20 and num_small_words >= 5 and num_japanese < 0.38 * (num_latin + num_japanese))
            or regexp_matches(words, english_sentence())
            or (num_japanese = 0 and num_small_words >= 2 and regexp_matches("text", english_answer()))
            or ("text" = trim(original) and regexp_full_match("text", '[a-z]+(?: [a-z]+)*[.!]?'))
        )
),
asked as materialized (
    select sample_id, turn_index, original
    from turns
    where role = 'user' and sample_id in (select sample_id from english where is_unchanged)
),
readings as (
    select sample_id, turn_index
    from asked
    where contains(original, 'OCR token') or regexp_matches(regexp_extract(original, '^[^?]*'), asks_for_text())
),
kept as (
    select sample_id, turn_index, original as answer
    from turns
    where role = 'assistant'
        and "text" = original
        and length(original) between 3 and 30
        and regexp_full_match(original, '[A-Z][a-z]+(?:(?:, | & | and )[A-Za-z]+| [a-z]+){0,3}')
),
translated as (
    select original as answer, count(*) as num_turns
    from turns
    where role = 'assistant'
        and original in (select answer from kept)
        and regexp_matches("text", '[\p{Hiragana}\p{Katakana}\p{Han}]')
    group by answer
)
select english.sample_id, english.turn_index, english.evidence
from english
left join readings on readings.sample_id = english.sample_id and readings.turn_index = english.turn_index - 1
where not is_unchanged or readings.sample_id is null
union
select kept.sample_id, kept.turn_index, kept.answer || ', which ' || translated.num_turns || ' other turns translate' as evidence
from kept
join translated using (answer)
where translated.num_turns >= 2 * (select count(*) from kept as others where others.answer = kept.answer);
