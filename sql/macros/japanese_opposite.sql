-- A regular expression for Japanese words of the common pairs of opposites; what has none of them needs no comparison.
create macro japanese_opposite() as
    '[左右閉開大小長短高低暑熱暖温寒冷涼昼夜内外若老古新満濡湿乾汚清散嬉幸楽悲泣危同異違後前暗明増減多少重軽速遅早曇晴雨勝負敗始終買売強弱安消点貧豊誤偽]|きれい|空っぽ|空席|年配|間違|笑顔|簡単|容易|難し|困難|ゆっくり|いっぱい|正し';
