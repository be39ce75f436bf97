-- Whether an English text has a reason for a number in its translation although the number itself is not there: an
-- ordinal, a month, "both", "a dozen", "in her thirties", 3 pm for 15時.
create macro has_source_in_english(number, sentence, numbers) as
    number in (0, 1)
    or case number
        when 2 then regexp_matches(
            sentence,
            '(?i)\b(?:and|with|both|pair|couple|twins?|double|dual|twice|second(?:ly|ary)?|half|halves|bunks?'
            || '|upstairs|bi[a-z]+|motor[a-z]+'
                || '|scooters?|duo|duet|another|each other|either|other|others|they|their|them|feb[a-z]*|few|several'
                || '|tandem|next|some)\b|2'
        )
        when 3 then regexp_matches(
            sentence,
            '(?i)\b(?:third(?:ly|s)?|trip[a-z]+|thrice|trio|tri[a-z]+|mar(?:ch)?|braid[a-z]*|few|several|some'
            || '|quarters?)\b|3'
        )
        when 4 then regexp_matches(
            sentence,
            '(?i)\b(?:fourth(?:ly|s)?|quarters?|quad[a-z]*|squares?|apr[a-z]*|all fours|few|several|some|4x4'
                || '|rectang[a-z]+)\b|4'
        )
        when 5 then regexp_matches(
            sentence, '(?i)\b(?:fifths?|may|pent[a-z]+|quint[a-z]+|few|several|some|star|fingers?)\b|5'
        )
        when 6 then regexp_matches(sentence, '(?i)\b(?:sixths?|june?|hex[a-z]+|few|several|some)\b|6')
        when 7 then regexp_matches(sentence, '(?i)\b(?:sevenths?|july?|week|rainbow)\b|7')
        when 8 then regexp_matches(sentence, '(?i)\b(?:eighths?|aug[a-z]*|oct[a-z]+)\b|8')
        when 9 then regexp_matches(sentence, '(?i)\b(?:ninths?|sep[a-z]*)\b|9')
        when 10 then regexp_matches(sentence, '(?i)\b(?:tenths?|oct[a-z]*|teens?|teen-?age[a-z]*|decades?)\b|10')
        when 11 then regexp_matches(sentence, '(?i)\b(?:eleventh|nov[a-z]*)\b|11')
        when 12 then regexp_matches(sentence, '(?i)\b(?:twelfth|dec[a-z]*|noon|midnight|dozens?|year)\b|12')
        else false
    end
    or (number >= 13 and number <= 20 and regexp_matches(sentence, '(?i)teenth\b|twentieth'))
    or (number between 12 and 24 and list_contains(numbers, number - 12))
    or (
        number between 20 and 90
        and number % 10 = 0
        and regexp_matches(sentence, '(?i)\b(?:twent|thirt|fort|fift|sixt|sevent|eight|ninet)ie')
    )
    or (number in (15, 30, 45, 50, 0.5, 1.5, 2.5) and regexp_matches(sentence, '(?i)\bhalf|\bquarter'))
    or (
        number in (50, 100, 1000, 10000)
        and regexp_matches(sentence, '(?i)centur|percent|complet|fully|hundred|thousand|all')
    )
    or (number between 11 and 21 and list_contains(numbers, 100 * (number - 1)) and contains(sentence, '00s'))
    or (number between 2 and 20 and regexp_matches(sentence, '\b[A-Z]?[a-z]+ (?:I{2,3}|I?[VX]I{0,3}|XI?[VX]?I{0,3})\b'))
    or (number between 20 and 90 and number % 10 = 0 and regexp_matches(sentence, '(?i)ty-?somethings?\b'))
    or (number >= 1900 and (list_contains(numbers, number - 1900) or list_contains(numbers, number - 2000)))
    or list_contains(numbers, round(number * 10, 4))
    or (number >= 13 and number % 12 = 0 and contains(sentence, 'dozen'));
