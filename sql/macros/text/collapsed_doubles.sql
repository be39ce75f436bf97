-- A row of consonant classes in which none stands twice in a row.
create macro collapsed_doubles(consonants) as
    regexp_replace(
        regexp_replace(regexp_replace(regexp_replace(regexp_replace(regexp_replace(
            consonants, 'k+', 'k', 'g'), 's+', 's', 'g'), 't+', 't', 'g'), 'n+', 'n', 'g'), 'p+', 'p', 'g'), 'r+', 'r', 'g'
    );
