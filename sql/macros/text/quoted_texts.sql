-- What stands in quotation marks in an English text and has a letter or digit, up to eighty characters each.
create macro quoted_texts(sentence) as
    list_filter(
        list_transform(
            regexp_extract_all(
                sentence, '"[^"\n]{1,80}"|“[^“”\n]{1,80}”|‘[^‘’\n]{1,80}’|(?:^|[\s(])''[^''\n]{1,80}''(?:[\s.,;:!?)]|$)'
            ),
            lambda part: trim(part, ' "“”‘’''.,;:!?()')
        ),
        lambda part: regexp_matches(part, '[A-Za-z]{2}|[A-Z0-9]')
    );
