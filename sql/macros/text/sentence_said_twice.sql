-- A sentence of ten characters or more that stands twice in a text, else null.
create macro sentence_said_twice(sentence) as
    list_filter(
        map_entries(
            list_histogram(
                list_filter(
                    list_transform(regexp_split_to_array(sentence, '[。！？!?\n]+'), lambda part: trim(part)),
                    lambda part: length(part) >= 10
                )
            )
        ),
        lambda entry: entry.value >= 2
    )[1].key;
