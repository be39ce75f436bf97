-- A regular expression for Japanese with a Latin comma or full stop, with 。 beside another mark, or with blanks between
-- hiragana and what follows.
create macro latin_punctuation() as
    '\p{Hiragana},[ 　]?[\p{Hiragana}\p{Katakana}\p{Han}]|[\p{Hiragana}\p{Katakana}\p{Han}]\.(?:\s|$|[\p{Hiragana}\p{Katakana}\p{Han}])'
    || '|[！？!?、，]。|。[。、，]|。[！？!?]'
    || '|[をはがにでともてます] [\p{Hiragana}\p{Han}\p{Katakana}]+[^\s。、]{0,20}[をはがにでともてます] [\p{Hiragana}\p{Han}\p{Katakana}]';
