-- How many brackets and quotation marks of a text are opened more often than closed.
create macro num_unclosed(sentence) as
    case
        when not regexp_matches(sentence, '[「『（(【\[]') then 0
        else greatest(count_occurrences(sentence, '「') - count_occurrences(sentence, '」'), 0)
            + greatest(count_occurrences(sentence, '『') - count_occurrences(sentence, '』'), 0)
            + greatest(count_occurrences(sentence, '【') - count_occurrences(sentence, '】'), 0)
            + greatest(
                count_occurrences(sentence, '（') + count_occurrences(sentence, '(') - count_occurrences(sentence, '）')
                    - count_occurrences(sentence, ')'),
                0
            )
    end;
