-- How many words in small letters a text has, such as every English sentence has.
create macro count_small_words(sentence) as
    len(
        regexp_extract_all(
            regexp_replace(sentence, '\s+', '  ', 'g'), '(?:^|\s|[^\x00-\x7F])[a-z]{2,}(?:[.,!?;:]|\s|[^\x00-\x7F]|$)'
        )
    );
