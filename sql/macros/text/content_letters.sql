-- What carries the content of a text: kanji, katakana, Latin letters, digits. Not its particles and endings.
create macro content_letters(words) as regexp_replace(words, '[^\p{Han}\p{Katakana}ーa-z0-9０-９]', '', 'g');
