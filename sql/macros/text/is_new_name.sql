-- Whether a Latin word with a capital letter in a translation has no source in the original, of which all letters are given
-- in lower case.
create macro is_new_name(word, letters) as
    regexp_full_match(word, '[A-Za-z]*[A-Z][A-Za-z]*') and length(word) >= 4 and not contains(letters, lower(word));
