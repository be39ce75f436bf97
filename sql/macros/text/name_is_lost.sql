-- Whether none of the katakana words of a text, given by their consonants, sounds at all like an English name.
create macro name_is_lost(name, heard) as
    len(
        list_filter(
            heard,
            lambda sound: levenshtein(sound, latin_consonants(name)) <= greatest(1, length(name) // 6)
                or levenshtein(sound, latin_consonants_ch(name)) <= greatest(1, length(name) // 6)
                or contains(sound, left(latin_consonants(name), 3))
                or contains(sound, left(latin_consonants_ch(name), 3))
                or contains(latin_consonants(name), sound)
        )
    ) = 0;
