-- The letters of the choices in a question, such as ABCD for "A. cat", "(B) dog", …; '' without choices.
create macro choice_letters(sentence) as
    regexp_extract(
        array_to_string(
            regexp_extract_all(sentence, '(?:^|[\s(\[（【、。,;:：?？])([A-J])\s?[).:：、．）】\]]', 1), ''
        ),
        'AB(?:C(?:D(?:E(?:F(?:G(?:H(?:IJ?)?)?)?)?)?)?)?'
    );
