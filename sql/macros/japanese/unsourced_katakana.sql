-- The katakana words of a text that sound like no word of its English original, whose words are given by their consonants.
create macro unsourced_katakana(sentence, sounds) as
    list_transform(
        list_filter(
            list_transform(
                list_distinct(regexp_extract_all(sentence, '[ァ-ヺー]{3,}'))[:60],
                lambda word: {word: word, sound: katakana_consonants(word)[1]}
            ),
            lambda heard: length(heard.sound) >= 2
                and len(
                    list_filter(
                        sounds,
                        lambda sound: left(sound, 2) = left(heard.sound, 2)
                            or (length(sound) >= 2 and contains(heard.sound, sound))
                            or levenshtein(sound, heard.sound) <= 1
                    )
                ) = 0
        ),
        lambda heard: heard.word
    );
