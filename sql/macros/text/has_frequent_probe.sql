-- Whether one of a few groups of three letters, taken from all parts of a text, stands there four times.
create macro has_frequent_probe(sentence) as
    count_occurrences(sentence, substring(sentence, length(sentence) // 3, 3)) >= 4
    or count_occurrences(sentence, substring(sentence, length(sentence) * 3 // 4, 3)) >= 4
    or case
        when strlen(sentence) < 180 then false
        else count_occurrences(sentence, substring(sentence, 4, 3)) >= 4
            or count_occurrences(sentence, substring(sentence, length(sentence) // 2, 3)) >= 4
            or count_occurrences(sentence, substring(sentence, length(sentence) - 20, 3)) >= 4
            or count_occurrences(sentence, substring(sentence, length(sentence) - 6, 3)) >= 4
    end;
