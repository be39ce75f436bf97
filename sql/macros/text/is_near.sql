-- Whether two texts, given with the letters of their content, are the same or, if they are long enough, say the same but
-- for spelling and what one leaves out. Other kanji, katakana or numbers in the place of some, or a negation in one of the
-- two, say another thing. DuckDB's edit distance grows with the square of the length: it measures 200 characters of each end.
create macro is_near(one, other, content, other_content) as
    one = other
    or (
        length(one) >= 30
        and abs(length(one) - length(other)) <= 0.06 * length(one)
        and jaccard(one, other) > 0.85
        and len(regexp_extract_all(one, 'な[いくか]|ませ?ん|ず')) = len(regexp_extract_all(other, 'な[いくか]|ませ?ん|ず'))
        and regexp_replace(one, '[^0-9０-９二三四五六七八九十百千]', '', 'g')
            = regexp_replace(other, '[^0-9０-９二三四五六七八九十百千]', '', 'g')
        and (is_contained(content, other_content) or is_contained(other_content, content))
        and levenshtein(left(one, 200), left(other, 200)) <= 0.06 * strlen(left(one, 200)) + 6
        and (
            length(one) <= 200
            or levenshtein(right(one, 200), right(other, 200)) <= 0.06 * strlen(right(one, 200)) + 6
        )
    );
