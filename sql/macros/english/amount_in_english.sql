-- The value of an English number: digits, words such as "twenty-five" or "two hundred", or both ("3 million").
create macro amount_in_english(phrase) as
    coalesce(
        try_cast(phrase as double),
        list_reduce(
            list_transform(
                regexp_extract_all(replace(lower(phrase), ',', ''), '[0-9]+(?:\.[0-9]+)?|[a-z]+'),
                lambda word: coalesce(
                    try_cast(word as double),
                    list_position(
                        [
                            'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine', 'ten', 'eleven',
                            'twelve', 'thirteen', 'fourteen', 'fifteen', 'sixteen', 'seventeen', 'eighteen', 'nineteen'
                        ],
                        word
                    )::double,
                    2.0 + list_position(['third', 'fourth', 'fifth', 'sixth', 'seventh', 'eighth', 'ninth', 'tenth'], word),
                    10.0 + 10 * list_position(
                        ['twenty', 'thirty', 'forty', 'fifty', 'sixty', 'seventy', 'eighty', 'ninety'], word
                    ),
                    case word
                        when 'hundred' then 100
                        when 'thousand' then 1000
                        when 'million' then 1e6
                        when 'billion' then 1e9
                        when 'trillion' then 1e12
                        else 0
                    end
                )
            ),
            lambda sum, part: case
                when part in (100, 1000, 1e6, 1e9, 1e12) then sum - sum % (part * 10) + greatest(sum % (part * 10), 1) * part
                when part between 10 and 99 and sum between 10 and 99 then 100 * sum + part
                else sum + part
            end,
            0.0
        ) - contains(lower(phrase), 'quarter')::integer
    );
