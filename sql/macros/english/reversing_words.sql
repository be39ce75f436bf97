-- A regular expression for English words that turn a word beside them into its opposite, or compare it.
create macro reversing_words() as
    '(?i)\b(?:not|no|never|less|than|nothing|nobody|hardly|neither|without|none|nor|cannot|rather|too|unable|unlikely|fail[a-z]*|lack[a-z]*)\b|n[''’]t\b|less\b';
