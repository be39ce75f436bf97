-- How often a part stands in a text.
create macro count_occurrences(sentence, part) as
    (strlen(sentence) - strlen(replace(sentence, part, ''))) // greatest(strlen(part), 1);
