-- The words of four Latin letters or more.
create macro latin_words(sentence) as list_distinct(regexp_extract_all(sentence, '[A-Za-z]{4,}(?:[''’][a-z]+)?'));
