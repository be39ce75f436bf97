-- Those of some katakana words, given with their consonants, that sound like no word of the English original, whose words
-- are given by their consonants and by the beginnings of them.
create macro unsourced_katakana(words, sounds, beginnings) as
    list_transform(
        list_filter(
            list_filter(
                words,
                lambda heard: length(heard.sound) >= 2 and not list_contains(beginnings, left(heard.sound, 2))
            ),
            lambda heard: len(
                list_filter(
                    sounds,
                    lambda sound: (length(sound) >= 2 and contains(heard.sound, sound)) or levenshtein(sound, heard.sound) <= 1
                )
            ) = 0
        ),
        lambda heard: heard.word
    );
