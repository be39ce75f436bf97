-- A row of consonant classes in which none stands twice in a row.
create macro collapsed_doubles(consonants) as
    regexp_replace(consonants, '(k)k+|(s)s+|(t)t+|(n)n+|(p)p+|(r)r+', '\1\2\3\4\5\6', 'g');
