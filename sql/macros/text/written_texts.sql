-- What stands in quotation marks in an English text because it is written somewhere: beside a word of writing (a sign
-- that reads, printed on a shirt), next to such a quotation, or all in capitals or as a title. Words that are only said,
-- stressed or explained are not among them.
create macro written_texts(sentence) as
    list_filter(
        list_transform(
            list_concat(
                list_concat(
                    regexp_extract_all(
                        sentence,
                        '(?i)\b(?:says?|reads?|reading|saying|states?|stating|writ[a-z]+|wrote|words?|texts?|letters?|lettering|signs?|signage|label[a-z]*|titled?|entitled|logos?|brand[a-z]*'
                        || '|print[a-z]*|inscri[a-z]+|engrav[a-z]+|caption[a-z]*|plates?|banners?|posters?|boards?|billboards?|screens?|covers?|spell[a-z]*|paint[a-z]*'
                        || '|graffiti|stickers?|display[a-z]*|message|slogan|names?|bubble|mark[a-z]*|number[a-z]*|shirts?|advertis[a-z]+|phrase|book|film|movie|song|album|magazine|buttons?|stamp[a-z]*|tags?)\b'
                        || '[^.!?"“”\n]*["“]([^"“”\n]+)["”]',
                        1
                    ),
                    regexp_extract_all(
                        sentence,
                        '(?i)["“]([^"“”\n]+)["”][^.!?"“”\n]*\b(?:written|printed|painted|engraved|displayed|inscribed|on (?:it|the|its|his|her|their|a|one|each)|signs?|logo|label|posters?'
                        || '|stickers?|shirts?|banners?|graffiti|lettering|button)\b',
                        1
                    )
                ),
                list_concat(
                    regexp_extract_all(
                        sentence, '["”],?(?: and| or|,)? ["“]([^"“”\n]+)["”]', 1
                    ),
                    regexp_extract_all(
                        sentence,
                        '["“]((?:[A-Z0-9][^"“”\s]*)(?: (?:[A-Z0-9&][^"“”\s]*|of|the|and|for|to|in|a|an|on|at|by|de|with|from))*)["”]',
                        1
                    )
                )
            ),
            lambda part: trim(part, ' "“”‘’''.,;:!?()')
        ),
        lambda part: length(part) <= 80 and regexp_matches(part, '[A-Za-z]{2}|[A-Z0-9]')
    );
