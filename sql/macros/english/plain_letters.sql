-- The letters and digits of a text alone: no image token, spaces or punctuation.
create macro plain_letters(sentence) as regexp_replace(sentence, '<image>|[\s\p{Z}\p{P}\p{S}\p{Cf}]+', '', 'g');
