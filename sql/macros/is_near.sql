-- Whether two texts are the same or, if they are long, nearly so.
create macro is_near(one, other) as
    one = other
    or (
        length(one) >= 50
        and abs(length(one) - length(other)) <= 0.06 * length(one)
        and jaccard(one, other) > 0.85
        and levenshtein(left(one, 400), left(other, 400)) <= 0.06 * least(length(one), 400)
    );
