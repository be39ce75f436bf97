-- One row per turn whose names are not those of the original: a name in Latin letters that is spelled otherwise or that the
-- original does not have, or a name of which neither the letters nor katakana that sound like it are there, while
-- another katakana word is there that sounds like nothing in the original. Well-known places have one spelling in
-- Japanese.
-- severity: warn
-- example: 1 [["<image>\n説明してください。", "<image>\nPlease describe it."], ["Starbuckのカップです。", "It is a Starbocks cup."]]
-- example: 1 [["<image>\n説明してください。", "<image>\nPlease describe it."], ["Microsofのロゴです。", "It is the logo of Microsoft."]]
-- example: 1 [["<image>\n説明してください。", "<image>\nPlease describe it."], ["Toyotaの車です。", "It is a car made by Honda."]]
-- example: 1 [["<image>\n説明してください。", "<image>\nPlease describe it."], ["FPTでファイルを送ります。", "Send the file by FTP."]]
-- example: 1 [["<image>\n説明してください。", "<image>\nPlease describe it."], ["マンタナ州のローゼンデール氏が記者団に語った。", "Mr. Rosendale of Montana spoke to reporters."]]
-- example: 1 [["<image>\n説明してください。", "<image>\nPlease describe it."], ["彼は今アーセナルでプレーしている。", "He plays for Tottenham now."]]
-- example: 1 [["<image>\n説明してください。", "<image>\nPlease describe it."], ["カレンさんが犬と走っています。", "Mrs. Smith is running with a dog."]]
--
-- text_id   the text
-- evidence  what is lost or new, and the beginning of the text
with marked as materialized (
    select
        text_id,
        "text",
        original,
        case when regexp_matches("text", '[A-Za-z]{4}') then latin_words("text") else [] end as words,
        case
            when regexp_matches("text", '[A-Z]{2}')
                then list_filter(acronyms("text"), lambda name: not contains(original, name))
            else []
        end as new_names,
        case
            when role = 'assistant' and regexp_matches(original, '[^.!?:"“\n] [A-Z][a-z]{2}|\b(?:Mr|Mrs|Ms|Dr)\.? [A-Z]')
                then list_filter(english_names(original), lambda name: not contains("text", name))
            else []
        end as names,
        -- What stands before a title or is a subject may be a name.
        case
            when role = 'assistant' and regexp_matches("text", '[ァ-ヺー]{5}(?:は|が|氏|さ|首|大|議|選|監|教|容|長|女|博|知)')
                then list_filter(
                    regexp_extract_all("text", '([ァ-ヺー]{5,})(?:は|が|氏|さん|首相|大統領|議員|選手|監督|教授|容疑者|長官|女王|博士|知事)', 1),
                    lambda word: not regexp_matches(word, common_katakana())
                )
            else []
        end as titled,
        case
            when regexp_matches(original, well_known_places())
                then list_filter(
                    regexp_extract_all(original, well_known_places(), 1),
                    lambda place: not contains("text", place)
                        and not regexp_matches(original, '[A-Z][A-Za-z.]* ' || place || '\b|' || place || '(?: [A-Z]|-)')
                        and len(list_filter(string_split(japanese_places()[place], '|'), lambda name: contains("text", name))) = 0
                )
            else []
        end as known
    from texts
    where original is not null
        and (regexp_matches("text", '[A-Za-z]{4}|[A-Z]{2}') or regexp_matches(original, '[A-Z][a-z]{3}'))
        and not contains(original, '```')
),
compared as materialized (
    select
        *,
        case
            when len(words) > 0
                then list_filter(words, lambda word: not contains(plain, ' ' || word || ' '))
            else []
        end as unknown,
        case
            when len(names) > 0 and length("text") > 0.25 * length(original) and not contains("text", '『')
                then list_transform(
                    list_filter(
                        list_transform(
                            names[:40],
                            lambda name: {name: name, sound: latin_consonants(name), other: latin_consonants_ch(name)}
                        ),
                        lambda name: name_is_lost(length(name.name), name.sound, name.other, heard)
                    ),
                    lambda name: name.name
                )
            else []
        end as missing
    from (
        select
            *,
            case
                when len(katakana) > 0
                    then list_transform(
                        list_zip(katakana, string_split(katakana_consonants(array_to_string(katakana, ' ')), ' ')),
                        lambda pair: {word: pair[1], sound: pair[2]}
                    )
                else []
            end as katakana_sounds,
            list_filter(list_distinct(list_transform(katakana_sounds, lambda one: one.sound)), lambda one: length(one) >= 2)
                as heard
        from (
            select
                *,
                case when len(words) > 0 then ' ' || regexp_replace(original, '[^A-Za-z]+', ' ', 'g') || ' ' else '' end as plain,
                case
                    when len(names) > 0 or len(titled) > 0 then list_distinct(regexp_extract_all("text", '[ァ-ヺー]{3,}'))[:60]
                    else []
                end as katakana
            from marked
        )
    )
    where len(words) > 0 or len(new_names) > 0 or len(names) > 0 or len(titled) > 0 or len(known) > 0
),
spelled as (
    select
        *,
        case
            when len(unknown) > 0
                then list_filter(
                    unknown,
                    lambda word: is_misspelling(lower(word), lost)
                        or (regexp_matches("text", '[\p{Hiragana}\p{Katakana}]') and is_new_name(word, letters))
                )
            else []
        end as misspelled,
        case
            when len(new_names) > 0
                and len(list_filter(acronyms(original), lambda name: not contains("text", name))) > 0
                then list_filter(
                    new_names, lambda name: not contains(regexp_replace(upper(original), '[^A-Z]', '', 'g'), name)
                )
            else []
        end as new_short_names
    from (
        select
            *,
            case when len(unknown) > 0 then lost_words(original, "text") else [] end as lost,
            case when len(unknown) > 0 then lower(replace(plain, ' ', '')) else '' end as letters,
            case
                when len(missing) > 0 or len(titled) > 0
                    then array_to_string(list_distinct(regexp_extract_all(original, '[A-Za-z]{3,}'))[:300], ' ')
                else ''
            end as english
        from compared
        where len(unknown) > 0 or len(missing) > 0 or len(new_names) > 0 or len(known) > 0 or len(titled) > 0
    )
),
sounded as (
    select
        *,
        case
            when len(missing) > 0 or len(titled) > 0
                then list_distinct(
                    list_concat(
                        string_split(latin_consonants(english || ' ' || regexp_replace(english, 's\b', '', 'g')), ' '),
                        string_split(latin_consonants_ch(english), ' ')
                    )
                )
            else []
        end as sounds
    from spelled
),
begun as (
    select
        *,
        list_distinct(
            list_concat(
                list_transform(sounds, lambda sound: left(sound, 3)),
                list_transform(list_filter(sounds, lambda sound: length(sound) = 2), lambda sound: sound)
            )
        ) as beginnings
    from sounded
),
heard_only as materialized (
    select
        *,
        case
            when len(missing) > 0 or len(titled) > 0
                then list_filter(
                    unsourced_katakana(katakana_sounds, sounds, beginnings),
                    lambda word: not regexp_matches(word, common_katakana())
                )
            else []
        end as unsourced
    from begun
)
select
    text_id,
    array_to_string(
        list_concat(
            list_concat(misspelled, new_short_names),
            list_concat(
                case when len(unsourced) > 0 then list_concat(missing, unsourced) else [] end,
                known
            )
        ),
        ' '
    ) || ': ' || left("text", 200) as evidence
from heard_only
where len(misspelled) > 0
    or len(new_short_names) > 0
    or (len(missing) > 0 and len(unsourced) > 0)
    or list_has_any(titled, unsourced)
    or len(known) > 0;
