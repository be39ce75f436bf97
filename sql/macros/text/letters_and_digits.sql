-- The letters and digits of a text in lower case and half width, without spaces and punctuation.
create macro letters_and_digits(sentence) as
    lower(regexp_replace(half_width(sentence), '[\s\p{Z}\p{P}\p{S}\p{Cf}]+', '', 'g'));
