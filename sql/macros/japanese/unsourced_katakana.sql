-- The katakana words of a text that sound like no word of its English original, whose words are given by their consonants.
create macro unsourced_katakana(sentence, sounds) as
    list_filter(
        regexp_extract_all(sentence, '[ァ-ヺー]{3,}'),
        lambda word: length(katakana_consonants(word)[1]) >= 2
            and len(
                list_filter(
                    sounds,
                    lambda sound: left(sound, 2) = left(katakana_consonants(word)[1], 2)
                        or levenshtein(sound, katakana_consonants(word)[1]) <= 1
                        or (length(sound) >= 2 and contains(katakana_consonants(word)[1], sound))
                )
            ) = 0
    );
