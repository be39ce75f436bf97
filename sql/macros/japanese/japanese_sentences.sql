-- The sentences of a Japanese text, without what is only punctuation.
create macro japanese_sentences(sentence) as
    list_filter(
        regexp_split_to_array(sentence, '[。！？!?；]+[」』”"）)]*\s*|\n+'),
        lambda part: regexp_matches(part, '[^\s\p{P}\p{S}]')
    );
