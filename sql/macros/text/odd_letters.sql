-- A regular expression for half-width katakana, Kangxi radicals, and words with a blank behind each letter.
create macro odd_letters() as
    '[\x{FF66}-\x{FF9D}]{2,}|[\x{2E80}-\x{2FDF}]'
    || '|(?:[\p{Hiragana}\p{Katakana}\p{Han}ー][ 　]){5,}[\p{Hiragana}\p{Katakana}\p{Han}。]|(?:^|[^A-Za-z])(?:[A-Za-z] ){4,}[A-Za-z](?:[^A-Za-z]|$)';
