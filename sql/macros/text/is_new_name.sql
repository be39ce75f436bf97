-- Whether a Latin word with a capital letter in a translation has no source in the original, not even with other
-- capitals.
create macro is_new_name(word, original) as
    regexp_full_match(word, '[A-Za-z]*[A-Z][A-Za-z]*')
    and length(word) >= 4
    and not contains(lower(regexp_replace(original, '[^A-Za-z]+', '', 'g')), lower(word));
