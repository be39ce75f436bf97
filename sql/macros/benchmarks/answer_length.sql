-- How long an answer is, in characters, as a name that sorts by length.
create macro answer_length(answer) as
    case
        when length(trim(answer)) <= 5 then '01-05'
        when length(trim(answer)) <= 15 then '06-15'
        when length(trim(answer)) <= 40 then '16-40'
        else '41+'
    end;
