-- Whether an English text has only one word of a pair of opposites and its translation only the other. The words that
-- show an opposite are fewer than those that excuse it.
create macro are_opposites(original, sentence, one, other, japanese_one, any_one, japanese_other, any_other) as
    (
        regexp_matches(sentence, japanese_other)
        and not regexp_matches(sentence, any_one)
        and regexp_matches(original, '(?i)\b(?:' || one || ')')
        and not regexp_matches(original, '(?i)\b(?:' || other || ')')
    )
    or (
        regexp_matches(sentence, japanese_one)
        and not regexp_matches(sentence, any_other)
        and regexp_matches(original, '(?i)\b(?:' || other || ')')
        and not regexp_matches(original, '(?i)\b(?:' || one || ')')
    );
