-- Whether a capitalised Latin word of a translation has no source in the original, not even with other capitals.
create macro is_new_name(word, original) as
    regexp_full_match(word, '[A-Z][a-z]{3,}')
    and not contains(lower(regexp_replace(original, '[^A-Za-z]+', '', 'g')), lower(word));
