-- Whether a text has hiragana or katakana, as all Japanese text of some length.
create macro has_kana(sentence) as regexp_matches(sentence, '\p{Hiragana}|\p{Katakana}');
