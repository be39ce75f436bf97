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
    or are_opposites(original, sentence, 'day|sun|noon', 'night|evening|midnight|dusk', '昼間|日中|昼', '昼|日|朝|太陽', '夜', '夜|夕|晩|ナイト|深夜')
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
    or are_opposites(original, sentence, 'behind|back|rear', 'front|before|ahead|forward|facing|head|foreground', '後ろ|背後', '後|奥|裏|向こう|背|うしろ|バック', '前[にのをでへ]|正面', '前|正面|先|手前|フロント|向|面|頭')
    or are_opposites(original, sentence, 'bright|light|lit\b|sunn|shin', 'dark|dim|gloom|black|night', '明る[いく]', '明|光|灯|照|ライト|輝|淡|薄|晴', '暗[いく]|薄暗', '暗|黒|濃|夜|ダーク|闇')
    or are_opposites(original, sentence, 'likely|probabl|possib', 'unlikely|improbabl|not', '可能性[がは]高', '可能性|おそらく|恐らく|たぶん|でしょう', '可能性[がは]低', '低|な[いく]|ません')
    or are_opposites(
        original, sentence, 'easy|easi|simpl|effortless', 'difficult|hard|complex|complicat|challeng|tough|tricky', '簡単|容易', '簡単|容易|易|楽|シンプル|手軽|単|すぐ|やす', '難し|困難', '難|困|複雑|大変|厳|苦|にく|課題'
    )
    or are_opposites(original, sentence, 'increas|rise|rising|grow|more|gain', 'decreas|declin|reduc|less|fewer|drop|fall|loss|los[et]', '増加|増え|増や', '増|上|高|伸|成長|多', '減少|減[らっり]', '減|下|低|落|失|少|縮|短')
    or are_opposites(original, sentence, 'many|lots?\b|much|numerous|plenty|several|more|abundan', 'few|little|less|scarc|low|small|lack|limited', '多[いく]', '多|たくさん|数|いくつ|何|様々|さまざま|大勢|沢山|いろ', '少な[いく]', '少|わず|ほとんど|僅|数|不足|乏|限|低')
    or are_opposites(original, sentence, 'heavy|heavi|weigh|dense', 'light|mild|slight|soft', '重[いく]', '重|激|大|ヘビー|濃|厚|強|密', '軽[いく]', '軽|ライト|薄|柔|少|弱|明|光')
    or are_opposites(original, sentence, 'fast|quick|rapid|speed|swift|hurr', 'slow|gradual|leisur', '速[いく]|素早', '速|早|急|クイック|すば|すぐ|ファスト|スピード', '遅[いく]|ゆっくり', '遅|ゆっくり|徐々|スロー|のんびり|緩')
    or are_opposites(original, sentence, 'sunny|clear|bright', 'cloud|rain|overcast|storm|snow|fog', '晴れ|快晴', '晴|澄|明|日差し|透|はっきり|太陽|クリア|鮮', '曇|雨', '曇|雨|雲|雪|嵐|霧')
    or are_opposites(original, sentence, 'win|won|victor|champion|beat', 'los[et]|losing|defeat|lost', '勝[つちっ]|優勝', '勝|受賞|獲|当|制|破', '負け|敗', '負|敗|失|落|迷|な')
    or are_opposites(original, sentence, 'start|begin|began|open|launch|first', 'end|ends|ended|ending|finish|over|stop|clos|complet|last|final|until', '始ま|開始', '始|開|スタート|はじ|出発|発|初|最初', '終わ|終了', '終|最後|完|了|止|停|閉|末|まで|ラスト')
    or are_opposites(original, sentence, 'buy|bought|purchas|shop|get', 'sell|sold|sale|vend|seller|market', '買[いうっわ]|購入', '買|購|客|ショッピング', '売[るりっら]|販売', '売|販|セール|市場|店')
    or are_opposites(original, sentence, 'early|earlier|first|soon|quick|fast', 'late|later|delay|slow|last', '早[いく]', '早|初|前|上旬|すぐ|速', '遅[いく]|遅れ', '遅|後|晩|末|深夜|最近')
    or are_opposites(original, sentence, 'cheap|inexpensive|low|afford|reasonabl', 'expensive|cost|high|pric|luxur', '安[いく]|安価', '安|手頃|低|リーズナブル', '高[いく]|高価', '高|費|値|贅|豪')
    or are_opposites(original, sentence, 'strong|power|sturdy', 'weak|faint|feeble|frail', '強[いく]', '強|丈夫|濃|力|激', '弱[いく]', '弱|薄|かすか|もろ|衰')
    or are_opposites(original, sentence, 'on\b|lit|light|bright', 'off\b|unlit|dark', '点いて|ついて|点灯', '点|つい|灯|明|入', '消え|消灯|消して', '消|暗|切|オフ')
    or are_opposites(original, sentence, 'rich|wealth|luxur', 'poor|poverty', '豊か|裕福|金持ち', '豊|裕|富|金', '貧し', '貧|乏|悪|可哀想')
    or are_opposites(original, sentence, 'true|correct|right', 'false|incorrect|wrong|mistak|error', '正し[いく]', '正|本当|真|適切|右', '間違い|間違っ|誤り|偽', '間違|誤|偽|嘘|違|不|ミス|な');
