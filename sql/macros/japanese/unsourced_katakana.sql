-- Those of some katakana words, given with their consonants, that sound like no word of the English original, whose words
-- are given by their consonants and by the two or three that they begin with.
create macro unsourced_katakana(words, sounds, beginnings) as
    list_transform(
        list_filter(
            list_filter(
                words,
                lambda heard: length(heard.sound) >= 2 and not list_contains(beginnings, left(heard.sound, 3))
            ),
            lambda heard: len(
                list_filter(
                    sounds,
                    lambda sound: (length(sound) >= 4 and contains(heard.sound, sound))
                        or (length(sound) = 3 and (starts_with(heard.sound, sound) or ends_with(heard.sound, sound)))
                        or (length(sound) = 2 and length(heard.sound) <= 4 and contains(heard.sound, sound))
                        or levenshtein(sound, heard.sound) <= 1
                )
            ) = 0
        ),
        lambda heard: heard.word
    );
