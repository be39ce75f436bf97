-- The lines of the code blocks in a text as they must stay, indented: without their comments, and without the strings
-- that people read, which may be translated. A string of small letters is a key and stays.
create macro code_lines(sentence) as
    list_filter(
        list_transform(
            string_split(array_to_string(regexp_extract_all(sentence, '(?s)```[A-Za-z+#]*\n(.*?)```', 1), E'\n'), E'\n'),
            lambda line: rtrim(
                regexp_replace(
                    regexp_replace(line, '"[^"]*[^a-z0-9_."/-][^"]*"|''[^'']*[^a-z0-9_.''/-][^'']*''', '""', 'g'),
                    '\s*(?:#|//|/\*|--\s).*$', ''
                )
            )
        ),
        lambda line: length(trim(line)) >= 4
    );
