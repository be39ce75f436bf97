-- Whether a Japanese text has an English name neither in Latin letters nor in katakana that sounds at all like it.
create macro name_is_lost(name, sentence) as
    not contains(lower(sentence), lower(name))
    and len(
        list_filter(
            katakana_consonants(sentence),
            lambda heard: heard <> ''
                and (
                    levenshtein(heard, latin_consonants(name)) <= greatest(1, length(latin_consonants(name)) // 3)
                    or (length(latin_consonants(name)) >= 2 and contains(heard, left(latin_consonants(name), 3)))
                    or starts_with(heard, latin_consonants(name))
                )
        )
    ) = 0;
