-- An English text with its amounts in the plainest form: 7.30pm as 7:30 pm, £3m as 3 million, .5 as 0.5, 0600 as 6:00.
-- Names and idioms that hold a number lose it. Most texts have no such amount, which one look shows.
create macro plain_english_amounts(sentence) as
    case
        when not regexp_matches(
            sentence,
            '(?i)[0-9][0-9,.]* ?(?:[ap]\.?m|m(?:l?n|m)?\b|b(?:l?n)?\b|k\b|million|billion|trillion)|[0-9] 1/2\b|(?:^|[\s(~])\.[0-9]'
            || '|[a-z] 0?[1-9][0-9]?[0-5][05]'
        )
            then number_names_removed(sentence)
        else regexp_replace(
            regexp_replace(
            regexp_replace(
            regexp_replace(
            regexp_replace(
            regexp_replace(
            regexp_replace(
            regexp_replace(
                number_names_removed(sentence),
                '(?i)([0-9])\.([0-9]{2}) ?(am|pm|a\.m|p\.m)', '\1:\2 \3', 'g'),
                '(?i)\b(at|by|from|until|till|to|before|after) 0?([1-9][0-9]?)([0-5][05])( ?(?:hours|hrs|h))?\b([.,;]|\s*$)', '\1 \2:\3 \5', 'g'),
                '([£$€¥]) ?([0-9][0-9,.]*) ?(?:mn|mln|m|M|MM)\b', '\1\2 million', 'g'),
                '([0-9]) ?(?:bn|bln)\b|([£$€¥] ?[0-9][0-9,.]*) ?[bB]\b', '\1\2 billion', 'g'),
                '([0-9]) ?(million|billion|trillion)', '\1 \2', 'g'),
                '([0-9])[kK]\b', '\1 thousand', 'g'),
                '(^|[\s(~])\.([0-9])', '\1 0.\2', 'g'
            ),
                '([0-9]) 1/2\b', '\1.5', 'g'
            )
    end;
