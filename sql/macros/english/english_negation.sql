-- A regular expression for any English word of negation in the first sentence, after the first word.
create macro english_negation() as
    '(?i)^[^.!?\n;]*\b(?:not|never|none|nothing|nobody|neither|nor|without|cannot|hardly|no one|unable|un[a-z]{4,}'
    || '|lacks?|absent|only)\b|^[^.!?\n;]*(?:n[''’]t\b|\S\s+no\b)';
