-- What is said aloud in an English text: quotations after or before a verb of speaking whose subject is a person.
create macro spoken_texts(sentence) as
    list_concat(
        regexp_extract_all(
            sentence,
            '(?i)\b(?:said|asked|asks|replie[sd]|whisper(?:s|ed)|shout(?:s|ed|ing)|exclaim(?:s|ed)|yell(?:s|ed|ing)|answered|thought'
            || '|thinking|told|tells|cried|cries|added|wondered|muttered|announced|call(?:s|ed) out|(?:say|saying) something|(?:say|saying)(?: things)?(?:,| like| to)'
            || '|(?:he|she|they|i|we|you|man|woman|boy|girl|person|people|child|mother|father|guy|lady|kid) (?:\w+ ){0,2}(?:say|says|saying|thinks?))'
            || '[^"“”.!?\n]*["“]([^"“”\n]+)["”]',
            1
        ),
        regexp_extract_all(
            sentence,
            '(?i)["“]([^"“”\n]+)["”],? (?:he|she|they|i|we|said|says|asked|asks|replied|whispered|shouted|exclaimed|cried|cries|the \w+ (?:said|says|asked|asks|replied|whispered|shouted|exclaimed|cried))\b',
            1
        )
    );
