-- The values of the numbers in an English text that a translation must keep. "one", "second" and the like have other
-- meanings; plurals such as "hundreds" are no numbers.
create macro english_numbers(sentence) as
    list_distinct(
        list_transform(
            list_distinct(regexp_extract_all(sentence, english_number())),
            lambda phrase: round(amount_in_english(phrase), 4)
        )
    );
