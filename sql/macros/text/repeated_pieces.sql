-- The number of pieces between punctuation, or items of a list, that stand in a longer text before.
create macro repeated_pieces(sentence) as
    case
        when strlen(sentence) < 60 then 0
        when count_occurrences(sentence, E'\n') >= 3
            then len(regexp_split_to_array(sentence, '[、。\n][0-9０-９.．)）:：\s-]*'))
                - len(list_distinct(regexp_split_to_array(sentence, '[、。\n][0-9０-９.．)）:：\s-]*')))
        else len(string_split(replace(sentence, '。', '、'), '、'))
            - len(list_distinct(string_split(replace(sentence, '。', '、'), '、')))
    end;
