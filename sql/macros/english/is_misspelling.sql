-- Whether a word of a translation is nearly one of the names or longer words that the translation lost.
create macro is_misspelling(word, lost) as
    len(
        list_filter(
            lost,
            lambda known:
                abs(length(known) - length(word)) <= greatest(2, length(known) // 2)
                and lower(known) <> lower(word)
                and not regexp_full_match(lower(known), lower(word) || '(?:[''’]?s|es|ed|ing|n|ian|ese)?')
                and not regexp_full_match(lower(word), lower(known) || '(?:s|es)?')
                and (
                    damerau_levenshtein(lower(known), lower(word)) <= case when length(known) < 6 then 1 else 2 end
                    or (starts_with(lower(known), lower(word)) and length(known) - length(word) >= 2)
                )
        )
    ) > 0;
