-- The units of time and length after a number in an English text that a Japanese text has not.
create macro units_lost(original, sentence) as
    list_filter(
        list_transform(
            regexp_extract_all(
                lower(original),
                '(?:[0-9]|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|twelve|fifteen|twenty|thirty|forty|fifty|sixty'
                || '|hundred|thousand|several|few|couple of))[ -]((?:second|minute|hour|day|week|month|year|inch|mile|kilomet|centimet|pound)[a-z]*)',
                1
            ),
            lambda unit: unit || '|' || case
                when starts_with(unit, 'second') then '秒|瞬'
                when starts_with(unit, 'minute') then '[0-9０-９一二三四五六七八九十百千数何半] ?分|半'
                when starts_with(unit, 'hour') then '時間|時半|半日|一日|1日|昼夜|[0-9０-９一二三四五六七八九十百千数何半] ?分'
                when starts_with(unit, 'day') then '[0-9０-９一二三四五六七八九十百千数何半] ?日|泊|夜|年中|無休|毎|日目|ついたち|ふつか|みっか'
                when starts_with(unit, 'week') then '週'
                when starts_with(unit, 'month') then '[0-9０-９一二三四五六七八九十百千数何半] ?(?:か|ヶ|カ|ヵ|ケ|箇|個)?月|半年|四半期'
                when starts_with(unit, 'year') then '年|歳|才|代|生|周'
                when starts_with(unit, 'inch') then 'インチ|型|″|"'
                when starts_with(unit, 'mile') then 'マイル'
                when starts_with(unit, 'kilomet') then 'キロ|km|㎞|ｋｍ'
                when starts_with(unit, 'centimet') then 'センチ|cm|㎝|ｃｍ'
                else 'ポンド|ｌｂ|lb'
            end
        ),
        lambda names: not regexp_matches(lower(sentence), names) and regexp_matches(sentence, '[0-9０-９一二三四五六七八九十百千]')
    );
