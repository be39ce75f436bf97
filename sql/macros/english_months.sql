-- The months that an English text names, as numbers. "may", "march" and short forms count beside a day or a year.
create macro english_months(sentence) as
    list_transform(
        list_filter(
            regexp_extract_all(
                sentence,
                '(?i)\b(?:january|february|april|june|july|august|september|october|november|december'
                || '|(?:jan|feb|mar|march|apr|may|jun|jul|aug|sept?|oct|nov|dec)\b\.?(?:,? [0-9]|$)'
                || '|[0-9](?:st|nd|rd|th)? (?:of )?(?:jan|feb|mar|march|apr|may|jun|jul|aug|sept?|oct|nov|dec)\b)'
                || '|\b(?:in|since|until|of|last|next|early|late|this|by|every) (?:May|March)\b'
            ),
            lambda found: found <> ''
        ),
        lambda found: (
            instr('jan feb mar apr may jun jul aug sep oct nov dec', left(regexp_extract(
                lower(found), '(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)'
            ), 3)) + 3
        )::double / 4
    );
