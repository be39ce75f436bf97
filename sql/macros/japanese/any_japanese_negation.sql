-- A regular expression for anything in a Japanese text that can stand for an English negation.
create macro any_japanese_negation() as
    'な[いくけ]|なさそう|なかっ|な[しき](?:[のでにくを、。]|$)|ません|[ずぬ]|無|不|非|未|否|欠|抜き|以外|ゼロ|禁|誰も[^が]|空(?:い|っぽ|席|室|欄|白|き)'
    || '|違|偽|異な|別の|消え|消灯|まい。|外[しすれさ]|難し|困難|もの?か。|まだ|にく[いく]|がた[いく]|いいえ|いえ[、。]|ノー'
    || '|(?i:\b(?:no|not|never|none|nothing|cannot|without)\b|n[''’]t\b)';
