-- One row per turn in another language than Japanese or English: another script, characters that only Chinese has,
-- Chinese without kana, or Latin words with many accents or with the small words of another language. What the original
-- says in that script, and quotes, are left alone, and so is another script where the text speaks of a language, a word or
-- its letters, or where the message before it has these letters, too.
-- severity: reject
--
-- sample_id   the sample
-- turn_index  the turn, from 0
-- evidence    the foreign characters, and the beginning of the text
with foreign_part as (
    select
        text_id,
        "text",
        original,
        case
            when has_kana("text") then regexp_replace("text", quotation(), '', 'g')
            else "text"
        end as unquoted
    from texts
    -- One look at each text for all of it; what is found there is told apart below.
    where regexp_matches(
            "text",
            foreign_script() || '|' || chinese_phrase() || '|' || chinese_letter() || '|' || accented_words()
            || '|[a-z] (?:' || foreign_small_word() || ') [a-z]|\p{Han}{24}'
        )
        or (not has_kana("text") and regexp_matches("text", chinese_words()))
),
matched as (
    select
        text_id,
        "text",
        original,
        regexp_extract(unquoted, foreign_script() || '|' || chinese_phrase() || '|' || chinese_letter()) as letters,
        case
            when regexp_matches(original, '[à-öø-ɏ]') then ''
            when regexp_matches(unquoted, accented_words()) then regexp_extract(unquoted, accented_words())
            when len(foreign_small_words(unquoted)) >= 2 + (regexp_matches(unquoted, '\p{Hiragana}|\p{Han}'))::integer
                then array_to_string(foreign_small_words(unquoted), ' ')
            else ''
        end as accented,
        case when not has_kana(unquoted) then regexp_extract(unquoted, chinese_words()) end as words,
        regexp_extract(unquoted, '\p{Han}{24}') as kanji
    from foreign_part
)
select
    turns.sample_id,
    turns.turn_index,
    concat_ws(' ', letters, accented, words, kanji) || ': ' || left(matched."text", 200) as evidence
from matched
join turns using (text_id)
left join turns as before on before.sample_id = turns.sample_id and before.turn_index = turns.turn_index - 1
where (letters <> '' or accented <> '' or words <> '' or kanji <> '')
    and not (accented <> '' and contains(coalesce(matched.original, ''), accented))
    and not regexp_matches(coalesce(matched.original, ''), '[^\x00-\x{24F}\x{2000}-\x{2BFF}]')
    and not (
        matched.original is null
        and not regexp_matches(letters, '\p{Han}')
        and regexp_matches(matched."text", '語|文字|綴|表記|発音|読み|由来|アルファベット|単語|言葉')
        and has_kana(matched."text")
    )
    and not (letters <> '' and contains(coalesce(before."text", ''), letters));
