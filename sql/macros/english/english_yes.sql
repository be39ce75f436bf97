-- A regular expression for an English answer that begins with yes.
create macro english_yes() as
    '(?i)^\W*(?:yes|yeah|yep|yup|affirmative)\b'
    || '|(?i)^\W*(?:sure|correct|right|that''s right|of course|definitely|certainly|indeed|absolutely|true|exactly)(?:[.!]|\s*$)';
