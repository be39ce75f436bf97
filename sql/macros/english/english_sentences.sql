-- The sentences of an English text, without what is only punctuation.
create macro english_sentences(sentence) as
    list_filter(
        regexp_split_to_array(
            regexp_replace(sentence, '\b(Mr|Mrs|Ms|Dr|St|vs|etc|e\.g|i\.e|[ap]\.m|No|[A-Z])\.', '\1', 'g'),
            '[.!?;]+["''”’)]*(?:\s+|$)|\n+'
        ),
        lambda part: regexp_matches(part, '[A-Za-z0-9]')
    );
