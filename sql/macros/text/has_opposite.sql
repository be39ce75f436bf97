-- Whether a translation says the opposite of an English text in one of the common pairs of opposites, such as left and
-- right.
create macro has_opposite(original, sentence) as
    are_opposites(original, sentence, 'left', 'right', '左', '左', '右', '右')
    or are_opposites(
        original, sentence, 'open', 'clos(?:ed|ing|es?)\b|shut', '開い[てた]|開け|オープン|営業中', '開|オープン|空|営業|広げ', '閉', '閉|クローズ|近|間近'
    )
    or are_opposites(
        original, sentence, 'large|big|huge|giant', 'small|tiny|little|mini|compact', '大き[いなく]|大型|巨大', '大|巨|広|ビッグ|太|ラージ',
        '小さ[いなく]|小型', '小|ミニ|狭|コンパクト|幼|わずか|少'
    )
    or are_opposites(original, sentence, 'long', 'short', '長[いく]', '長|ロング', '短[いく]', '短|ショート|低|背|小|切')
    or are_opposites(original, sentence, 'high|tall', 'low|short|small', '高[いく]', '高|ハイ|背|上|そび|大', '低[いく]', '低|ロー|短|小|背')
    or are_opposites(
        original, sentence, 'hot|warm', 'cold|cool|chill|ic[ey]\b|freez|frozen', '暑[いく]|熱[いく]|暖か|温か', '暑|熱|暖|温|ホット|ウォーム|夏|辛',
        '寒[いく]|冷た|涼し', '寒|冷|涼|凍|氷|クール|コールド|アイス|風邪'
    )
    or are_opposites(original, sentence, '(?:in|during|by) (?:the )?day|daytime|sun\b|noon', 'night|evening|midnight|dusk', '昼間|日中|昼', '昼|日|朝|太陽', '夜', '夜|夕|晩|ナイト|深夜')
    or are_opposites(
        original, sentence, 'indoor|inside|interior', 'outdoor|outside|exterior|out\b', '屋内|室内', '内|中|インテリア|イン', '屋外|野外|戸外',
        '外|アウト'
    )
    or are_opposites(
        original, sentence, 'young|youth|teen|kid|child|boy|girl|bab', 'old|elder|senior|aged|ancient', '若[いく]|若者', '若|幼|子|少|ヤング|青|赤ちゃん|[0-9０-９]',
        '老人|年配|高齢|お年寄り', '老|年|高齢|古|昔|おじい|おばあ|祖|シニア'
    )
    or are_opposites(original, sentence, 'new|modern|fresh', 'old|ancient|vintage|antique|used|worn', '新し[いく]', '新|ニュー|現代|モダン|近代', '古[いく]', '古|老|旧|昔|ヴィンテージ|ビンテージ|アンティーク|中古|年|歳|高齢')
    or are_opposites(
        original, sentence, 'full|crowd|fill|busy|pack', 'empty|vacant|unoccupied|desert|bare', '満席|満員|いっぱい|満杯', '満|一杯|いっぱい|フル|全|溢|あふ|詰|混|賑|入',
        '空っぽ|空席|からっぽ|ガラガラ', '空|からっぽ|ガラ|無|誰も|何も|な[いく]'
    )
    or are_opposites(original, sentence, 'wet|rain|damp|moist', 'dry|dried|arid', '濡れ|湿っ', '濡|湿|ウェット|雨|潤|水', '乾い', '乾|ドライ|枯|干')
    or are_opposites(
        original, sentence, 'clean|tid|neat|organi', 'dirty|mess|clutter|filthy|stain', 'きれい|清潔|綺麗|整頓|片付い', 'きれい|清|綺麗|整|片付|掃|洗|クリーン|すっきり|[拭磨]',
        '汚[いれ]|散らか', '汚|散|乱|雑|汚れ|ごちゃ|ゴミ'
    )
    or are_opposites(
        original, sentence, 'happ[yi]|joy|glad|cheer|smil|laugh|excit|pleas|fun\b|enjoy|delight', 'sad|unhapp|cry|crie|upset|sorrow|depress|tear', '嬉し|幸せ|楽し|笑顔', '嬉|幸|楽|笑|喜|ハッピー|明る|微笑|興奮',
        '悲し|泣い', '悲|泣|涙|不|落ち込|寂|哀|な[いく]'
    )
    or are_opposites(original, sentence, 'safe|secur|protect', 'danger|unsafe|risk|hazard|peril|threat', '安全', '安全|安心|無事|保護|守|セーフ', '危険|危な', '危|リスク|恐|怖|脅|険')
    or are_opposites(
        original, sentence, 'same|identical|similar|alike|match', 'differ|another|vari|distinct|various|divers|unlike|other', '同じ', '同|一緒|共通|似|等|お揃い|一致', '異な|違[いうっ]', '異|違|別|様々|さまざま|多様|いろ|ほか|他'
    )
    or are_opposites(original, sentence, 'behind|(?:at|in|on) the back|rear', 'front|before|ahead|forward|facing|head|foreground', '後ろ|背後', '後|奥|裏|向こう|背|うしろ|バック', '前[にのをでへ]|正面', '前|正面|先|手前|フロント|向|面|頭')
    or are_opposites(original, sentence, 'bright|light|lit\b|sunn|shin', 'dark|dim|gloom|black|night', '明る[いく]', '明|光|灯|照|ライト|輝|淡|薄|晴', '暗[いく]|薄暗', '暗|黒|濃|夜|ダーク|闇')
    or are_opposites(
        original, sentence, 'easy|easi|simpl|effortless', 'difficult|hard|complex|complicat|challeng|tough|tricky', '簡単|容易', '簡単|容易|易|楽|シンプル|手軽|単|すぐ|やす', '難し|困難', '難|困|複雑|大変|厳|苦|にく|課題'
    )
    or are_opposites(original, sentence, 'many|lots?\b|much|numerous|plenty|several|more|abundan', 'few|little|less|scarc|low|small|lack|limited', '多[いく]', '多|たくさん|数|いくつ|何|様々|さまざま|大勢|沢山|いろ', '少な[いく]', '少|わず|ほとんど|僅|数|不足|乏|限|低')
    or are_opposites(original, sentence, 'fast|quick|rapid|speed|swift|hurr', 'slow|gradual|leisur', '速[いく]|素早', '速|早|急|クイック|すば|すぐ|ファスト|スピード', '遅[いく]|ゆっくり', '遅|ゆっくり|徐々|スロー|のんびり|緩')
    or are_opposites(original, sentence, 'sunny|clear|bright', 'cloud|rain|overcast|storm|snow|fog', '晴れ|快晴', '晴|澄|明|日差し|透|はっきり|太陽|クリア|鮮', '曇|雨', '曇|雨|雲|雪|嵐|霧')
    or are_opposites(original, sentence, '(?:turned|switched|is|are|was|were) on\b|lit\b', '(?:turned|switched|is|are|was|were) off\b|unlit', '点いて|点灯', '点|つい|灯|明|入', '消えて|消灯', '消|暗|切|オフ');
