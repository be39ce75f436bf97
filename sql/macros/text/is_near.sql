-- Whether two texts are the same or, if they are long enough, nearly so. DuckDB's edit distance counts bytes and grows with
-- the square of the length, so only both ends of a long text are measured.
create macro is_near(one, other) as
    one = other
    or (
        length(one) >= 30
        and abs(strlen(one) - strlen(other)) <= 0.06 * strlen(one)
        and jaccard(one, other) > 0.85
        and levenshtein(left(one, 200), left(other, 200)) <= 0.06 * strlen(left(one, 200)) + 6
        and (
            length(one) <= 200
            or levenshtein(right(one, 200), right(other, 200)) <= 0.06 * strlen(right(one, 200)) + 6
        )
    );
