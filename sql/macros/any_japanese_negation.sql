-- A regular expression for anything in a Japanese text that can stand for a negation.
create macro any_japanese_negation() as
    'な[いかくけし]|ません|[ずぬ]|無|不|非|未|否|欠|以外|なし|ゼロ|空|違|異|別|停|閉|誰も|だけ|裸|素|消|切|禁|しか|離|断|止|避|嫌|偽|眠|寝|汚|散らか|曇|暗|忘|失|悪|遅|古|もの?か'
    || '|まい|外|難し|困難|休|黙|独身|まだ|平日|満席';
