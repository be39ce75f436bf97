-- A sentence of eight characters or more that stands in a text three times, else null.
create macro repeated_sentence(sentence) as
    list_filter(
        map_entries(
            list_histogram(
                list_filter(
                    list_transform(regexp_split_to_array(sentence, '[。！？!?\n]+'), lambda part: trim(part)),
                    lambda part: length(part) >= 8
                )
            )
        ),
        lambda entry: entry.value >= 3
    )[1].key;
