-- The letter from A to J that an answer chooses: alone, before its text, or after the word answer; '' without one.
create macro answered_letter(sentence) as
    coalesce(
        nullif(regexp_extract(sentence, '^\s*[(\[（「【]?([A-J])[)\]）」】]?(?:[.:。．：、]?\s*$|[.:：．、)）]|です|だ|に|が)', 1), ''),
        nullif(
            regexp_extract(
                sentence,
                '(?i:answer|option|choice)(?i:\s+is)?:?\s*(?i:option |choice )?[(\[]?([A-J])(?:[)\].,:]|\s*$'
                || '|\s[a-z(]*\s)',
                1
            ),
            ''
        ),
        regexp_extract(
            sentence,
            '(?:答え|回答|解答|正解|選択肢|正答)(?:の記号|の文字)?(?:は|:|：|、|が|:\s)?\s?(?:選択肢)?[「(（\[]?([A-J])(?:[^A-Za-z0-9]|$)',
            1
        )
    );
