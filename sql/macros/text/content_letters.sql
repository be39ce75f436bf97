-- What carries the content of a text, as numbers: kanji, katakana, Latin letters, digits. Not its particles and endings.
create macro content_letters(words) as
    list_transform(
        string_split(regexp_replace(words, '[^\p{Han}\p{Katakana}ーa-z0-9０-９]', '', 'g'), ''),
        lambda letter: unicode(letter)
    );
