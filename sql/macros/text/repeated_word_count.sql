-- How often the most frequent word stands behind itself or behind a comma, as in "ads, ads, ads"; null without a text.
create macro repeated_word_count(sentence) as
    list_max(
        map_values(
            list_histogram(
                list_filter(
                    regexp_extract_all(lower(sentence), '[a-z]{2,}'),
                    lambda word: contains(replace(lower(sentence), ',', ''), word || ' ' || word || ' ' || word)
                )
            )
        )
    );
