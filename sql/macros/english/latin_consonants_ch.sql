-- The same as latin_consonants, with ch heard as in "church".
create macro latin_consonants_ch(word) as latin_consonants(regexp_replace(lower(word), 't?ch', 't', 'g'));
