-- Whether a word of a translation is nearly one of the names or longer words that the translation lost; all in lower case.
-- Only words of a similar length that begin or end alike are compared letter by letter.
create macro is_misspelling(word, lost) as
    len(
        list_filter(
            list_filter(
                lost,
                lambda known: known <> word
                    and abs(length(known) - length(word)) <= greatest(2, length(known) // 2)
                    and (left(known, 2) = left(word, 2) or right(known, 2) = right(word, 2))
                    and not (
                        starts_with(known, word)
                        and substring(known, length(word) + 1) in ('s', 'es', 'ed', 'ing', 'n', 'ian', 'ese', '''s', '’s')
                    )
                    and not (starts_with(word, known) and substring(word, length(known) + 1) in ('s', 'es'))
            ),
            lambda known: damerau_levenshtein(known, word) <= case when length(known) < 6 then 1 else 2 end
                or (starts_with(known, word) and length(known) - length(word) >= 2)
        )
    ) > 0;
