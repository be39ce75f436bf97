-- Names of one word in an English text: capitalised in the middle of a sentence, with no other capitalised word beside
-- it. Left out are the words that Japanese calls by other names or in kanji: days and months, peoples, languages and
-- countries, directions, heavenly bodies, religions, feasts, titles and relatives, and names that are Japanese.
create macro english_names(sentence) as
    list_filter(
        list_distinct(
            regexp_extract_all(
                replace(
                    regexp_replace(sentence, '"[^"\n]*"|“[^”\n]*”|```[^`]*```|`[^`\n]*`|https?://[!-~]+', '', 'g'), ' ', '  '
                ),
                '(?:^|[^A-Za-z])(?:[a-z]+|[A-Za-z]+[),;])  ([A-Z][a-z]{3,})(?:[''’]s)?(?:  [a-z(0-9]|[.,;:!?)]+(?:\s+[A-Za-z]|\s*$)|\s*$)',
                1
            )
        ),
        lambda word: not regexp_full_match(
            word,
            '(?:Sun|Mon|Tues|Wednes|Thurs|Fri|Satur)days?|January|February|March|April|June|July|August|September|October'
            || '|November|December|Spring|Summer|Autumn|Winter|North|South|East|West|North(?:ern)?|Southern|Eastern|Western'
            || '|Earth|Moon|Mars|Venus|Mercury|Jupiter|Saturn|Uranus|Neptune|Pluto|Heaven|Hell|Lord|Jesus|Bible|Buddha|Buddhis[mt]s?'
            || '|Hinduis[mt]|Islam[a-z]*|Muslims?|Judaism|Jewish|Christian[a-z]*|Catholic[a-z]*|Orthodox|Protestant[a-z]*|Easter|Thanksgiving'
            || '|Christmas|Passover|Ramadan|German[a-z]*|Dutch|Netherlands|Holland|Engl(?:and|ish[a-z]*)|Brit(?:ain|ish|ons?)|Scot(?:land|tish)|Wales|Welsh|Greek|Greece'
            || '|Swiss|Switzerland|Belgi(?:um|an)|Turk(?:ey|ish|s)|Chinese|China|Japan(?:ese)?|Korea(?:ns?)?|Taiwan[a-z]*|Mandarin|Cantonese|Beijing|Shanghai|Seoul|Singapore'
            || '|Asian?s?|Europe(?:ans?)?|African?s?|Americans?|America|Hispanic|Latino|Caucasian|Native|Indian?s?|Egypt[a-z]*|Hungar[a-z]+|Austria[a-z]*'
            || '|Pacific|Atlantic|Arctic|Antarctic[a-z]*|Mediterranean|Renaissance|Medieval|Victorian|Colonial|Roman[a-z]*|Gothic|Baroque|Olympics?|Internet'
            || '|Mother|Father|Grand[a-z]+|Aunt|Uncle|Daddy|Mommy|King|Queen|Prince|Princess|President|Minister|Senator|Governor|Mayor|Doctor|Professor|Captain'
            || '|General|Emperor|Pope|Saint|Santa|Sir|Madam|Church|Congress|Senate|Parliament|State|Government|Court|Constitution|Army|Navy|Marines?|Police|Street|Avenue'
            || '|Road|Park|River|Lake|Ocean|Mount|University|College|School|Museum|Hotel|Company|Please|None|Yes|Stop|True|False|Option|Step|Figure|Table|Section|Chapter'
            || '|Part|Note|Answer|Question|Example|Python|Windows|Word|Excel|Office|Father|Velcro|Styrofoam|Kleenex|Nintendo|Vienna|Munich|Venice|Warsaw|Cologne|Geneva'
            || '|Celsius|Fahrenheit|(?i:[kstnhmyrwgzdbpfj]?[hy]?[aeiou]{1,2}n?)+'
        )
    );
