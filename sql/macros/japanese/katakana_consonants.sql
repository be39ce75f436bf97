-- The consonants of katakana words as classes of similar sounds: k, s, t, n, p, r; the words keep the blanks between them.
create macro katakana_consonants(words) as
    collapsed_doubles(translate(
        words,
        'カキクケコガギグゲゴサシスセソザジズゼゾタチツテトダヂヅデドナニヌネノンマミムメモハヒフヘホバビブベボパピプペポヴラリルレロ'
            || 'アイウエオァィゥェォャュョヤユヨワヰヱヲヮッー',
        'kkkkkkkkkksssssssssstttttttttt' || 'nnnnnnnnnnn' || 'pppppppppppppppp' || 'rrrrr'
    ));
