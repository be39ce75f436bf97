-- The consonants of each katakana word in a text as classes of similar sounds: k, s, t, n, p, r.
create macro katakana_consonants(sentence) as
    list_transform(
        regexp_extract_all(sentence, '[ァ-ヺー]{2,}'),
        lambda word: collapsed_doubles(translate(
            word,
            'カキクケコガギグゲゴサシスセソザジズゼゾタチツテトダヂヅデドナニヌネノンマミムメモハヒフヘホバビブベボパピプペポヴラリルレロ'
                || 'アイウエオァィゥェォャュョヤユヨワヰヱヲヮッー',
            'kkkkkkkkkksssssssssstttttttttt' || 'nnnnnnnnnnn' || 'pppppppppppppppp' || 'rrrrr'
        ))
    );
