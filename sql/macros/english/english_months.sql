-- The months that an English text names, as numbers. "may", "march" and short forms count beside a day or a year, May
-- and March also in the middle of a sentence.
create macro english_months(sentence) as
    list_transform(
        list_filter(
            regexp_extract_all(
                sentence,
                '(?i)\b(?:january|february|april|june|july|august|september|october|november|december'
                || '|(?:jan|feb|mar|march|apr|may|jun|jul|aug|sept?|oct|nov|dec)\b\.?(?:,? (?:the )?[0-9]|$)'
                || '|[0-9](?:st|nd|rd|th)? (?:of )?(?:jan|feb|mar|march|apr|may|jun|jul|aug|sept?|oct|nov|dec)\b)'
                || '|[a-z,] (?:May|March)\b'
            ),
            lambda found: found <> ''
        ),
        lambda found: (
            instr('jan feb mar apr may jun jul aug sep oct nov dec', left(regexp_extract(
                lower(found), '(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)'
            ), 3)) + 3
        )::double / 4
    );
