-- A regular expression for marks that stand where letters were lost: question marks or boxes inside of a sentence.
create macro lost_letters() as
    '[\p{Hiragana}\p{Katakana}\p{Han}、][?？]{2,3}[\p{Hiragana}\p{Katakana}\p{Han}]'
    || '|[\p{Hiragana}\p{Katakana}\p{Han}、][□〓▯]{1,2}[\p{Hiragana}\p{Katakana}\p{Han}]|\x{FFFD}';
