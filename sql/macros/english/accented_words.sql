-- A regular expression for running text in a Latin script with accents, such as Vietnamese, French or Spanish: three
-- words, of which the accents show that they are not English.
create macro accented_words() as
    '[¿¡][A-Za-zÀ-ɏ]|[\x{1EA0}-\x{1EF9}]\p{Latin}*(?: \p{Latin}+)'
    || '|(?:\p{Latin}+[ ,]+){2,}\p{Latin}*[à-öø-ɏ]\p{Latin}*[ .]|\p{Latin}*[à-öø-ɏ]\p{Latin}*(?:[ ,]+[a-zà-ɏ]+){3,}';
