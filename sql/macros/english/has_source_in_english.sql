-- Whether an English text has a reason for a number in its translation although the number itself is not there: an
-- ordinal, a month, "both", "a dozen", "in her thirties", 3 pm for 15時. A reason of one kind of number, such as a month,
-- is one only for that kind.
create macro has_source_in_english(number, sentence, numbers, japanese) as
    number in (0, 1)
    or case number
        when 2 then regexp_matches(
            sentence,
            '(?i)\b(?:both|pair|couple|twins?|double|dual|twice|second(?:ly|ary)?|half|halves|bunks?'
            || '|every other|fortnight[a-z]*|upstairs|bi[a-z]+|motor[a-z]+|scooters?|duo|duet|each other|either|tandem)\b|2'
        )
        when 3 then regexp_matches(
            sentence, '(?i)\b(?:third(?:ly|s)?|trip[a-z]+|thrice|trio|tri[a-z]+|braid[a-z]*|quarters?)\b|3'
        )
        when 4 then regexp_matches(
            sentence, '(?i)\b(?:fourth(?:ly|s)?|quarters?|quad[a-z]*|squares?|all fours|4x4|rectang[a-z]+)\b|4'
        )
        when 5 then regexp_matches(sentence, '(?i)\b(?:fifths?|pent[a-z]+|quint[a-z]+|star)\b|5')
        when 6 then regexp_matches(sentence, '(?i)\b(?:sixths?|hex[a-z]+)\b|6')
        when 7 then regexp_matches(sentence, '(?i)\b(?:sevenths?|week|rainbow)\b|7')
        when 8 then regexp_matches(sentence, '(?i)\b(?:eighths?|octo[a-z]+|octa[a-z]+)\b|8')
        when 9 then regexp_matches(sentence, '(?i)\b(?:ninths?)\b|9')
        when 10 then regexp_matches(sentence, '(?i)\b(?:tenths?|teens?|teen-?age[a-z]*|decades?)\b|10')
        when 11 then regexp_matches(sentence, '(?i)\b(?:eleventh)\b|11')
        when 12 then regexp_matches(sentence, '(?i)\b(?:twelfth|noon|midnight|dozens?|year)\b|12')
        else false
    end
    or (number between 1 and 12 and contains(japanese, '月') and list_contains(english_months(sentence), number))
    or (
        number = 2
        and regexp_matches(japanese, '(?:2|２|二)[人名者体]')
        and regexp_matches(sentence, '(?i)\b(?:and|with|they|their|them|others?|another)\b')
        and not regexp_matches(sentence, '(?:^|[.!?] )(?:An?|The|Some) [a-z]+, (?:an? |the )?[a-z]+,? and (?:an? |the )?[a-z]+ ')
    )
    or (number = 2 and regexp_matches(japanese, '(?:2|２|二)(?:つ目|番目|台目|本目|枚目|つのうち|脚)'))
    or (number >= 13 and number <= 20 and regexp_matches(sentence, '(?i)teenth\b|twentieth'))
    or (number between 12 and 24 and list_contains(numbers, number - 12))
    or (
        number between 20 and 90
        and number % 10 = 0
        and regexp_matches(
            sentence,
            case number
                when 20 then '(?i)\btwent'
                when 30 then '(?i)\bthirt'
                when 40 then '(?i)\bfort'
                when 50 then '(?i)\bfift'
                when 60 then '(?i)\bsixt'
                when 70 then '(?i)\bsevent'
                when 80 then '(?i)\beight'
                else '(?i)\bninet'
            end || '(?:ie|y-?something)'
        )
    )
    or (number in (15, 30, 45) and list_contains(numbers, number / 60))
    or (number in (15, 30, 45, 50, 0.5, 1.5, 2.5) and regexp_matches(sentence, '(?i)\bhalf|\bquarter'))
    or (
        number in (50, 100, 1000, 10000)
        and regexp_matches(sentence, '(?i)centur|percent|complet|fully|hundred|thousand|all')
    )
    or (number between 11 and 21 and list_contains(numbers, 100 * (number - 1)) and contains(sentence, '00s'))
    or (number between 2 and 20 and regexp_matches(sentence, '\b[A-Z]?[a-z]+ (?:I{2,3}|I?[VX]I{0,3}|XI?[VX]?I{0,3})\b'))
    or (number >= 1900 and (list_contains(numbers, number - 1900) or list_contains(numbers, number - 2000)))
    or (number = 24 and regexp_matches(sentence, '(?i)\b(?:clock|always|all day|day and night|this time)\b'))
    or (number = 365 and regexp_matches(sentence, '(?i)days a week|all year|year[- ]round|every day|24/7'))
    or (number % 10 = 0 and contains(sentence, 'decade') and (number = 10 or list_contains(numbers, number / 10)))
    or (contains(japanese, '割') and list_contains(numbers, round(number * 10, 4)))
    or (number >= 13 and number % 12 = 0 and contains(sentence, 'dozen'));
