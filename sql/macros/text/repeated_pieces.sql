-- The number of pieces between punctuation, or items of a list, that stand in a longer text before.
create macro repeated_pieces(sentence) as
    case
        when strlen(sentence) < 60 then 0
        when count_occurrences(sentence, E'\n') >= 3
            then list_transform(
                [regexp_split_to_array(sentence, '[、。\n][0-9０-９.．)）:：\s-]*')],
                lambda pieces: len(pieces) - list_unique(pieces)
            )[1]
        else list_transform(
            [string_split(replace(sentence, '。', '、'), '、')], lambda pieces: len(pieces) - list_unique(pieces)
        )[1]
    end;
