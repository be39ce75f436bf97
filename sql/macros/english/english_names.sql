-- Names of persons, places and makers in an English text: capitalised words that are not the first of a sentence, or that
-- follow a title. Left out are words that Japanese calls by other names or in kanji, ordinary words, and names that are
-- Japanese.
create macro english_names(sentence) as
    list_filter(
        list_distinct(
            list_concat(
                regexp_extract_all(sentence, '\b(?:Mr|Mrs|Ms|Miss|Dr)\.? ([A-Z][a-z]{2,})', 1),
                regexp_extract_all(sentence, '[a-z,;] ([A-Z][a-z]{3,})', 1)
            )
        ),
        lambda word: not regexp_full_match(word, capitalised_words()) and not ends_with(word, 'ing') and not ends_with(word, 'tion')
    );
