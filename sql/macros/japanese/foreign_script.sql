-- A regular expression for scripts that no Japanese text is written in. Greek and Cyrillic letters are also symbols and
-- parts of faces, so only a word of them counts.
create macro foreign_script() as
    '[\p{Hangul}\p{Thai}\p{Arabic}\p{Hebrew}\p{Devanagari}\p{Bengali}\p{Tamil}\p{Telugu}\p{Khmer}\p{Lao}\p{Myanmar}]'
    || '|[\p{Georgian}\p{Armenian}\p{Ethiopic}\p{Bopomofo}\p{Sinhala}\p{Gujarati}\p{Gurmukhi}\p{Kannada}\p{Malayalam}]'
    || '|[\p{Tibetan}\p{Mongolian}]|\p{Cyrillic}{2,}|\p{Greek}{3,}|[A-Za-z]\p{Cyrillic}|\p{Cyrillic}[A-Za-z]';
