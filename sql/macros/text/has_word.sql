-- Whether a text holds one of some words or parts of words.
create macro has_word(sentence, words) as
    len(list_filter(words, lambda word: contains(sentence, word))) > 0;
