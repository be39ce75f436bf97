-- Whether a word of a translation is not in the original but nearly a name or a longer word there that the translation
-- lost.
create macro is_misspelling(word, original_words, words) as
    not list_contains(list_transform(original_words, lambda known: lower(known)), lower(word))
    and len(
        list_filter(
            original_words,
            lambda known:
                (regexp_matches(known, '[A-Z]') or length(known) >= 6)
                and not list_contains(words, known)
                and not regexp_full_match(lower(known), lower(word) || '(?:[''’]?s|es|ed|ing|n|ian|ese)?')
                and not regexp_full_match(lower(word), lower(known) || '(?:s|es)?')
                and (
                    damerau_levenshtein(lower(known), lower(word)) <= case when length(known) < 6 then 1 else 2 end
                    or (starts_with(lower(known), lower(word)) and length(known) - length(word) >= 2)
                )
        )
    ) > 0;
