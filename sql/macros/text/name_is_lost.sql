-- Whether none of the katakana words of a text sounds at all like an English name. All are given by their consonants, the
-- name with its ch heard as k and as t.
create macro name_is_lost(length_of_name, sound, other_sound, heard) as
    len(
        list_filter(
            heard,
            lambda one: case
                when contains(one, left(sound, 3)) or contains(one, left(other_sound, 3)) or contains(sound, one) then true
                else least(levenshtein(one, sound), levenshtein(one, other_sound)) <= greatest(1, length_of_name // 6)
            end
        )
    ) = 0;
