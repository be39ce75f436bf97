-- Every four characters that follow each other.
create macro groups_of_four(sentence) as
    list_transform(range(1, length(sentence) - 2), lambda place: substring(sentence, place, 4));
