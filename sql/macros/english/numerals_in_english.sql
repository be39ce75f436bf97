-- The values of the numbers in an English text, as often as they stand there, without 0 and 1.
create macro numerals_in_english(sentence) as
    list_filter(
        list_transform(
            regexp_extract_all(sentence, english_number()), lambda phrase: round(amount_in_english(phrase), 4)
        ),
        lambda number: number > 1
    );
