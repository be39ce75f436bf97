-- The names and longer words of an English text that its translation has not, in lower case, at most fifty.
create macro lost_words(original, sentence) as
    list_transform(
        list_filter(
            latin_words(original),
            lambda known: (regexp_matches(known, '[A-Z]') or length(known) >= 6) and not contains(sentence, known)
        )[:50],
        lambda known: lower(known)
    );
