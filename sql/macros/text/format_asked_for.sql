-- Which form of answer a Japanese instruction asks for: a word, a letter, a sentence, coordinates or a short text.
create macro format_asked_for(instruction) as
    case
        when regexp_matches(instruction, '選択肢') then 'letter'
        when regexp_matches(instruction, '単語|フレーズ|[一１1]語') then 'word'
        when regexp_matches(instruction, '座標|バウンディング') then 'box'
        when regexp_matches(instruction, '[一１1]文') then 'sentence'
        else ''
    end;
