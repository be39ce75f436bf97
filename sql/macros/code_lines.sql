-- The lines of the code blocks in a text, up to their comments and strings, which may be translated.
create macro code_lines(sentence) as
    list_filter(
        list_transform(
            string_split(array_to_string(regexp_extract_all(sentence, '(?s)```[A-Za-z]*\n(.*?)```', 1), E'\n'), E'\n'),
            lambda line: trim(regexp_extract(line, '^[^#"''/]*'))
        ),
        lambda line: length(line) >= 4
    );
