-- The value of a Japanese number: digits of either width, kanji numerals, or both (3万5千).
create macro amount_in_japanese(phrase) as
    case
        when try_cast(phrase as double) is not null then try_cast(phrase as double)
        when length(phrase) = 1 and contains('二三四五六七八九十', phrase) then 1.0 + instr('二三四五六七八九十', phrase)
        when regexp_full_match(phrase, '[〇零一二三四五六七八九]{2,}')
            then try_cast(translate(phrase, '〇零一二三四五六七八九', '00123456789') as double)
        else list_reduce(
            list_transform(
                regexp_extract_all(
                    translate(phrase, '０１２３４５６７８９．〇零一二三四五六七八九,，', '0123456789.00123456789'),
                    '[0-9]+(?:\.[0-9]+)?|[十百千万億兆]'
                ),
                lambda part: coalesce(
                    try_cast(part as double),
                    [10, 100, 1000, 1e4, 1e8, 1e12][instr('十百千万億兆', part)]
                )
            ),
            lambda sum, part: case
                when part in (10, 100, 1000) then sum - sum % 10 + greatest(sum % 10, 1) * part
                when part in (1e4, 1e8, 1e12)
                    then sum - sum % (part * 1e4) + greatest(sum % (part * 1e4), 1) * part
                else sum + part
            end,
            0.0
        )
    end;
