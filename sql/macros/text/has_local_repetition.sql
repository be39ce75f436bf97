-- Whether three letters stand three times within 24 letters somewhere in a text, two four times, or one in a row; probes
-- are eight letters apart. Most of them are done with when their first two letters do not come again. Letters of a long text
-- are not counted from its beginning each time, so that the cost is linear.
create macro has_local_repetition(sentence) as
    len(
        list_filter(
            case
                when strlen(sentence) < 6000
                    then list_transform(range(1, length(sentence) - 3, 8), lambda place: substring(sentence, place, 24))
                else list_concat(
                    regexp_extract_all(sentence, '(?s).{5,24}'),
                    list_concat(
                        regexp_extract_all(substring(sentence, 9), '(?s).{5,24}'),
                        regexp_extract_all(substring(sentence, 17), '(?s).{5,24}')
                    )
                )
            end,
            -- Outside of a case, all of a condition is computed.
            lambda part: case
                when contains(substring(part, 3), left(part, 2))
                    then left(part, 1) >= 'ぁ'
                        and (
                            count_occurrences(part, left(part, 3)) >= 3
                            or count_occurrences(part, left(part, 2)) >= 4
                            or starts_with(part, repeat(left(part, 1), 4))
                        )
                else false
            end
        )
    ) > 0;
