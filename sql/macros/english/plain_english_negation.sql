-- A regular expression for a negation whose translation must be negative too.
create macro plain_english_negation() as
    '(?i)\b(?:not|no|never|none|nobody|nothing|neither|cannot|without)\b|n[''’]t\b';
