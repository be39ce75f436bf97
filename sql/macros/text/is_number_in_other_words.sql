-- Whether a Japanese text says a number without its numeral: ふたつ, 両方, 半, ツー, 午後3時 for 15:00, 21時 for 9 p.m., 90年代 for
-- the 1990s.
create macro is_number_in_other_words(number, sentence, numbers) as
    number in (0, 1)
    or case number
        when 2 then regexp_matches(
            sentence,
            '両|双|一対|対の|ふた|ペア|カップル|互い|つがい|ダブル|ツー|デュアル|ツイン|一揃い|お揃い|いずれ|どちら|夫婦|往復|コンビ|セカンド|デュオ|親子|姉妹|兄弟|同士|母娘|父子|左右'
        )
        when 3 then regexp_matches(sentence, 'みっ|みつ|トリ|スリー|サード')
        when 4 then regexp_matches(sentence, 'よっ|よつ|よん|四角|フォー|クワッド')
        when 5 then regexp_matches(sentence, 'いつつ|ファイブ')
        when 6 then regexp_matches(sentence, 'むっつ|ろく|シックス')
        when 7 then regexp_matches(sentence, 'なな|セブン|しち')
        when 8 then regexp_matches(sentence, 'やっつ|はち|エイト')
        when 9 then regexp_matches(sentence, 'ここの|きゅう|ナイン')
        when 10 then regexp_matches(sentence, 'とお|じゅう|テン')
        when 11 then regexp_matches(sentence, 'イレブン')
        when 12 then regexp_matches(sentence, 'ダース|正午|真夜中|深夜|零時|[0０〇]時|トゥエルブ')
        else false
    end
    or (number <= 12 and list_contains(numbers, number + 12) and contains(sentence, '時'))
    or (number % 10 = 0 and contains(sentence, '割') and list_contains(numbers, number / 10))
    or (number in (30, 50, 0.5) and contains(sentence, '半'))
    or (number in (90, 180, 360) and regexp_matches(sentence, '直角|垂直|反対|真逆|一周|全方位|ぐるり'))
    or (number in (20, 24, 7) and regexp_matches(sentence, 'はたち|二十歳|終日|一日中|年中|いつでも|週間|毎日'))
    or (number = 6 and contains(sentence, '半年'))
    or (number between 12 and 24 and list_contains(numbers, number - 12) and regexp_matches(sentence, '午後|夜|夕|晩|正午'))
    or (number >= 1900 and (list_contains(numbers, number - 1900) or list_contains(numbers, number - 2000)))
    or (number >= 1000 and list_contains(numbers, floor(number / 1000)) and regexp_matches(sentence, '[千万億]|,'))
    or (
        regexp_matches(sentence, '[A-Za-z]{3}')
        and list_contains(english_numbers(regexp_replace(sentence, '[0-9]', ' ', 'g')), number)
    )
    or (
        number <> floor(number)
        and list_contains(numbers, floor(number))
        and list_contains(numbers, round(100 * (number - floor(number))))
    );
