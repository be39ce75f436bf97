-- One row per common English word of an original of which its sentence says nothing that could stand for it. The words and
-- what can stand for them are those of the macro lexicon.
--
-- text_id  ubigint    the answer
-- place    bigint     the sentence of the original, from 1
-- concept  varchar    the word, in all its forms
-- class    varchar    words of one class exclude each other; '' without one
-- said     varchar[]  parts of Japanese words that could stand for it
with entries as materialized (select distinct word, concept, class, said from lexicon()),
words as (
    select text_id, place, sentence, unnest(regexp_extract_all(lower(original), '[a-z]{3,}')) as word
    from sentences
),
known as (
    select text_id, place, sentence, concept, class, said
    from words
    join entries using (word)
)
select distinct on (text_id, place, concept, class) text_id, place, concept, class, said
from known
-- Most words are said in the usual way, which stands first.
where not contains(sentence, said[1]) and len(list_filter(said, lambda part: contains(sentence, part))) = 0;
