-- The small words of other languages in a text.
create macro foreign_small_words(sentence) as
    list_distinct(
        regexp_extract_all(
            regexp_replace(lower(sentence), '\s+', '  ', 'g'),
            '(?:^|[\s,.''’])(' || foreign_small_word() || ')(?:[\s,.;:!?''’]|$)',
            1
        )
    );
