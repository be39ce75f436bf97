-- The units of time, length, weight and money after a number in a Japanese text of which its English original knows nothing.
create macro units_added(original, sentence) as
    list_filter(
        list_distinct(
            regexp_extract_all(
                regexp_replace(sentence, '分の[0-9０-９一二三四五六七八九]', '', 'g'),
                '(?:[0-9０-９一二三四五六七八九十百千万数] ?(秒|時間|日間|週間|[かヶカヵケ箇個]月|年間|世紀|インチ|フィート|ヤード|マイル|センチ|ミリ|キロメートル|メートル'
                || '|キログラム|グラム|オンス|ドル|ユーロ|円|パーセント))|[0-9０-９一二三四五六七八九数] ?(分)(?:間|半|後|前|以|ほど|で|も|の|かか|ごと|を|が|お|し|程|と)',
                0
            )
        ),
        lambda amount: not (case
            when contains(amount, '秒') then regexp_matches(original, '(?i)sec|moment|[0-9] ?s\b|instant|half a minute')
            when contains(amount, '時間') then regexp_matches(original, '(?i)hour|\bhrs?\b|[0-9] ?h|o''?clock|[0-9]:[0-9]|24/7|clock|[0-9] ?min|half a day')
            when contains(amount, '日間') then regexp_matches(original, '(?i)day|night|hour|fortnight|24/7|in a row|' || case when regexp_matches(sentence, '(?:[7７七]|[12１２][014０１４]|十)日間') then 'week' else '24/7' end)
            when contains(amount, '週間') then regexp_matches(original, '(?i)week|fortnight|\bwk|(?:\b7|14|21|28|30|seven|ten|thirty) days')
            when contains(amount, '月') then regexp_matches(original, '(?i)month|quarter|half[ -](?:a[ -])?year|\bmos?\b|mths?|year and a half|season')
            when contains(amount, '年間') then regexp_matches(original, '(?i)year|annual|annum|decade|centur|\byrs?\b|since|[12][0-9]{3}|season|anniversary|generation')
            when contains(amount, '世紀') then regexp_matches(original, '(?i)centur|[0-9]c\b|[0-9]00s|hundred years|[12][0-9]{3}')
            when contains(amount, '分') then regexp_matches(original, '(?i)\bmin(?:s|utes?)?\b|[0-9] ?m(?:in[a-z]*)?\b|[0-9][:.][0-9]|quarter|half|clock|minute|\b[0-9]{1,2}''|[0-9] ?h')
            when contains(amount, 'インチ') then regexp_matches(original, '(?i)inch|[0-9] ?in\b|[0-9] ?["″”]|''''')
            when contains(amount, 'フィート') then regexp_matches(original, '(?i)feet|foot|[0-9] ?ft|[0-9] ?[''’′]')
            when contains(amount, 'ヤード') then regexp_matches(original, '(?i)yard|\byds?\b')
            when contains(amount, 'マイル') then regexp_matches(original, '(?i)mile|[0-9] ?mi\b|mph')
            when contains(amount, 'センチ') then regexp_matches(original, '(?i)centi|[0-9] ?cm')
            when contains(amount, 'ミリ') then regexp_matches(original, '(?i)milli|[0-9] ?m[ml]')
            when contains(amount, 'キロメートル') then regexp_matches(original, '(?i)kilo|[0-9] ?k|km|kph')
            when contains(amount, 'メートル') then regexp_matches(original, '(?i)met(?:er|re)|[0-9] ?m\b')
            when contains(amount, 'グラム') then regexp_matches(original, '(?i)gram|kilo|[0-9] ?k?g')
            when contains(amount, 'オンス') then regexp_matches(original, '(?i)ounce|oz')
            when contains(amount, 'ドル') then regexp_matches(original, '(?i)dollar|[$]|usd|buck|grand|cents|bills?\b|[0-9] ?k')
            when contains(amount, 'ユーロ') then regexp_matches(original, '(?i)euro?|€')
            when contains(amount, '円') then regexp_matches(original, '(?i)yen|¥|jpy|degree|circ|round')
            else regexp_matches(original, '(?i)percent|per cent|%|rate|half|majority|out of|share')
        end)
    );
