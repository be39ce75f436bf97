-- The letters from A to J that stand alone, in their order.
create macro lone_letters(sentence) as
    regexp_extract_all(
        regexp_replace(sentence, '([^A-Za-z0-9Ａ-Ｚａ-ｚ])', '\1\1', 'g'),
        '(?:^|[^A-Za-z0-9])([A-J])(?:[^A-Za-z0-9]|$)',
        1
    );
