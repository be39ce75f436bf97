-- The addresses, pieces of code, identifiers and file names of a text.
create macro verbatim_texts(sentence) as
    list_transform(regexp_extract_all(sentence, verbatim_text()), lambda part: rtrim(part, '.,;:!?)''"'));
