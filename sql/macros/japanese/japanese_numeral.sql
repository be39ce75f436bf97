-- A regular expression that every Japanese text that counts something other than one matches.
create macro japanese_numeral() as
    '[0-9０-９]|[二三四五六七八九十百千万億][〇零一二三四五六七八九十百千万億]*[人名匹頭羽台本枚個つ冊軒杯皿切階番歳才年月日時円ド隻機棟着件回倍種列組段メセキ]';
