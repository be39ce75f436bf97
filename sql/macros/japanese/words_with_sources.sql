-- A regular expression for exclusive_words, and for the longer words that hold one of them and stand before it.
create macro words_with_sources() as
    longer_words() || '|' || array_to_string(list_transform(exclusive_words(), lambda word: word[2]), '|');
