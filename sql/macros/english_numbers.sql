-- The values of the numbers in an English text that a translation must keep. "one", "second" and the like have other
-- meanings; plurals such as "hundreds" are no numbers.
create macro english_numbers(sentence) as
    list_distinct(
        list_transform(
            list_distinct(regexp_extract_all(
                sentence,
                '[0-9]+(?:,[0-9]{3})*(?:\.[0-9]+)?(?:[ -](?:hundred|thousand|million|billion)\b)*'
                || '|(?i:\b(?:one[ -](?:hundred|thousand|million|billion)|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve'
                || '|thirteen|fourteen|fifteen|sixteen|seventeen|eighteen|nineteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety'
                || '|hundred|thousand|million|billion)(?:(?:[ -]|,? and |, )(?:hundred|thousand|million|billion)'
                || '|-(?:one|two|three|four|five|six|seven|eight|nine)| (?:hundred|thousand) and [a-z]+(?:-[a-z]+)?)*\b)'
            )),
            lambda phrase: round(amount_in_english(phrase), 4)
        )
    );
