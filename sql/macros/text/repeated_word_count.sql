-- How many words of an English text, given in lower case and without commas, stand three times in a row, as in "ads ads ads".
create macro repeated_word_count(plain) as
    len(
        list_filter(
            list_distinct(regexp_extract_all(plain, '[a-z]{2,}'))[:200],
            lambda word: contains(plain, word || ' ' || word || ' ' || word)
        )
    );
