-- A text in pieces of 120 letters, and again in pieces that begin 60 letters later: what stands in a row within 60 letters
-- stands in one of them as a whole.
create macro pieces_of_120(sentence) as
    list_concat(
        regexp_extract_all(sentence, '(?s).{5,120}'),
        case when length(sentence) > 60 then regexp_extract_all(substring(sentence, 61), '(?s).{5,120}') else [] end
    );
