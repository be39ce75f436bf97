-- The words of an English text in lower case, each between blanks; an apostrophe is a blank, too.
create macro spaced_words(original) as
    ' ' || regexp_replace(lower(original), '[^a-z0-9$£€]+', ' ', 'g') || ' ';
