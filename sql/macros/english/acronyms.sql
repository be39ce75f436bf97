-- The words of two to five capital letters in a text, without those that Japanese uses for English words.
create macro acronyms(sentence) as
    list_filter(
        list_distinct(regexp_extract_all(sentence, '(?:^|[^A-Za-z0-9])([A-Z]{2,5})s?(?:[^A-Za-z0-9]|$)', 1)),
        lambda word: not word in ('TV', 'PC', 'OK', 'CD', 'DVD', 'CM', 'SNS', 'AM', 'PM', 'ID', 'DIY', 'BBQ', 'USA', 'US', 'UK')
    );
