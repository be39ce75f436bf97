-- One row per user turn whose question is still English prose. Choices, quotes, code and names are left alone, and so
-- is an instruction after a Japanese question, which answer_format_instruction_untranslated finds.
-- severity: reject
--
-- text_id   the text
-- evidence  the English part
with prose as (
    select
        text_id,
        regexp_replace("text", '(?s)```.*?```|`[^`]*`|https?://[!-~]+|<image>', ' ', 'g') as words
    from texts
    where role = 'user' and regexp_matches("text", '[A-Za-z][ ,]+[a-z]+[ ,]+[A-Za-z]')
),
counted as (
    select
        *,
        length(regexp_replace(words, '[^A-Za-z]+', '', 'g')) as num_latin,
        length(regexp_replace(words, '[^\p{Hiragana}\p{Katakana}\p{Han}]+', '', 'g')) as num_japanese,
        length(regexp_replace(words, '[^{}()\[\];=<>_/\\]+', '', 'g')) as num_code_signs,
        count_small_words(words) as num_small_words
    from prose
)
select text_id, trim(left(words, 300)) as evidence
from counted
where 10 * num_code_signs < num_latin
    and num_small_words >= 2
    and (
        (num_latin >= 10 and num_japanese < 0.1 * (num_latin + num_japanese))
        or regexp_matches(regexp_replace(words, quotation(), '', 'g'), english_question())
    )
union
select text_id, regexp_extract("text", '[:：]\s*([A-Za-z][a-z'' -]* [a-z'' -]*[a-z])[.]?\s*$', 1) as evidence
from texts
where role = 'user'
    and regexp_matches("text", '[\p{Hiragana}\p{Han}][^\n]*[:：]\s*[A-Za-z][a-z'' -]* [a-z'' -]*[a-z][.]?\s*$')
    and (
        contains(original, regexp_extract("text", '[:：]\s*([A-Za-z][a-z'' -]* [a-z'' -]*[a-z])[.]?\s*$', 1))
        or original is null
    )
    and regexp_matches("text", '領域|座標|バウンディングボックス|位置|指して|示して');
