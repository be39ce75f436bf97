-- How many pieces between punctuation stand in a longer text before.
create macro num_repeated_pieces(sentence) as
    case
        when strlen(sentence) < 60 then 0
        else len(string_split(replace(sentence, '。', '、'), '、'))
            - len(list_distinct(string_split(replace(sentence, '。', '、'), '、')))
    end;
