-- How often the most frequent sentence of at least so many letters stands in an English text; null without a text.
create macro repeated_sentence_count(sentence, least) as
    list_max(
        map_values(
            list_histogram(
                list_filter(
                    list_transform(regexp_split_to_array(lower(sentence), '[.!?\n]+'), lambda part: trim(part)),
                    lambda part: length(part) >= least
                )
            )
        )
    );
