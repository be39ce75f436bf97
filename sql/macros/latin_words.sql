-- The words of four Latin letters or more.
create macro latin_words(sentence) as list_distinct(regexp_extract_all(sentence, '[A-Za-z][A-Za-z''’]*[A-Za-z]{3,}'));
