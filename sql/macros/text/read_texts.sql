-- The text that an answer reads: the whole of a short answer, or the words in capitals of a sentence.
create macro read_texts(answer) as
    case
        when regexp_matches(
            answer,
            '(?i)^\W*(?:yes|no|none|nothing|unanswerable|unknown|unclear|not |it is not|there (?:is|are) no)\b|n[''’]t '
        )
            then []
        when regexp_full_match(
            answer,
            '(?i)[$€£]?[0-9][0-9.,:]* ?(?:mph|km/h|km|kg|lbs?|oz|ml|cm|mm|feet|ft|inches|[ap]\.?m\.?|%|percent'
            || '|dollars|cents|years(?: old)?|degrees|°?[CF]|hours?|minutes?)?\.?'
        )
            then []
        when regexp_matches(
            answer,
            '(?i)^(?:the|it|this|that|there|a|an|they|these|on|in)\s.*\b(?:is|are|says?|reads?|was|shows?|has)\b'
        )
            then list_filter(
                regexp_extract_all(answer, '\b[A-Z0-9][A-Z0-9&''.-]*[A-Z0-9]\b'),
                lambda part: not part in ('TV', 'US', 'UK', 'USA')
            )
        when regexp_matches(answer, '[A-Z0-9]') and len(string_split(answer, ' ')) <= 10 then [answer]
        else []
    end;
