-- A katakana word as people may spell it otherwise, too: without long vowels and dots, voiceless, ウィ and ヴ made plain.
create macro katakana_spelling(word) as
    translate(
        replace(replace(replace(word, 'ウィ', 'イ'), 'ヴァ', 'バ'), 'ヴ', 'ブ'),
        'ガギグゲゴザジズゼゾダヂヅデドバビブベボパピプペポァィゥェォャュョッー・',
        'カキクケコサシスセソタチツテトハヒフヘホハヒフヘホアイウエオヤユヨツ'
    );
