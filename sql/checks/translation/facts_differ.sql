-- One row per turn that says another one of a class of common words than its original: another colour, animal, food, side,
-- season or relative, an opposite (upload for download, closed for open), left for right in another order, or who does
-- it to whom; or that uses a word of which its original has nothing. Sentence by sentence where the sentences of both texts
-- belong together.
-- severity: warn
-- example: 1 [["<image>\n説明してください。", "<image>\nPlease describe it."], ["青いコートを着た女性がバス停で待っています。", "A woman in a red coat is waiting at the bus stop."]]
-- example: 1 [["<image>\n説明してください。", "<image>\nPlease describe it."], ["ここでファイルをダウンロードできます。", "You can upload the file here."]]
-- example: 1 [["<image>\n説明してください。", "<image>\nPlease describe it."], ["猫が犬を追いかけています。", "The dog is chasing the cat."]]
-- example: 1 [["<image>\n説明してください。", "<image>\nPlease describe it."], ["右には古い本棚があり、左には小さな机があります。", "On the left there is an old bookcase, and on the right there is a small desk."]]
-- example: 1 [["<image>\n説明してください。", "<image>\nPlease describe it."], ["ドアは閉まっています。", "The door is open."]]
-- example: 1 [["<image>\n説明してください。", "<image>\nPlease describe it."], ["彼は昨日その車を売りました。", "He bought the car yesterday."]]
-- example: 1 [["<image>\n説明してください。", "<image>\nPlease describe it."], ["棒グラフが黒板に描かれています。", "A stick figure is drawn on the board."]]
-- example: 1 [["<image>\nどちら側ですか？", "<image>\nOn which side?"], ["右", "Left"]]
-- example: 1 [["<image>\n説明してください。", "<image>\nPlease describe it."], ["このモデルはLLaMA建築を効果的に表しています。", "The model effectively represents the LLaMA architecture."]]
--
-- text_id   the text
-- evidence  the English word and the Japanese one, and the beginning of both texts
with shown as materialized (select distinct concept, class, shown, said from lexicon() where class <> ''),
exchanged as (
    select text_id, lost.concept || ' → ' || others.shown[1] as change, sentences.original, sentences.sentence
    from missing_words as lost
    join shown as others on others.class = lost.class and others.concept <> lost.concept
    join sentences using (text_id, place)
    join texts using (text_id)
    where lost.class <> ''
        and len(list_filter(case when length(sentences.sentence) <= 5 then others.said else others.shown end, lambda part: contains(sentences.sentence, part))) > 0
        and not regexp_matches(sentences.original, plain_english_negation() || '|(?i)\b(?:quite|not) a few')
        and not regexp_matches(sentences.sentence, strong_japanese_negation())
        and len(
            list_filter(
                string_split(others.concept, ' '),
                lambda word: contains(lower(case when is_paired then sentences.original else texts.original end), word)
            )
        ) = 0
),
sides as (
    select text_id, 'left and right' as change, original, sentence
    from sentences
    where is_paired
        and regexp_matches(original, '(?i)\bleft\b.*\bright\b|\bright\b.*\bleft\b')
        and regexp_matches(sentence, '左[のに側手端から].*右[のに側手端から]|右[のに側手端から].*左[のに側手端から]')
        and (strpos(lower(original), 'left') < strpos(lower(original), 'right')) <> (strpos(sentence, '左') < strpos(sentence, '右'))
        and not regexp_matches(original, '(?i)(?:left|right)(?:,| and| or| to|-to-| of the) ?(?:the |an? )?(?:left|right)')
),
acting as (
    select
        text_id,
        original,
        sentence,
        regexp_extract(
            lower(original),
            '^(?:the|a|an|two|three|some)? ?(?:[a-z]+ ){0,2}?([a-z]+) (?:is|are|was|were) ([a-z]+ing) (?:at |after |on )?(?:the|a|an|another) (?:[a-z]+ ){0,2}?([a-z]+)',
            ['agent', 'verb', 'patient']
        ) as who
    from sentences
    where is_paired
        and regexp_matches(original, '(?:is|are|was|were) [a-z]+ing (?:at |after |on )?(?:the|a|an|another) ')
        and regexp_matches(sentence, '[がは].*を')
),
turned as (
    select text_id, who.agent || ' and ' || who.patient as change, original, sentence
    from acting
    join lexicon() as agents on agents.word = acting.who.agent
    join lexicon() as patients on patients.word = acting.who.patient
    where agents.concept <> patients.concept
        and len(list_filter(patients.said, lambda part: part <> '' and regexp_matches(acting.sentence, '^[^、。]{0,12}' || part || '[がは]'))) > 0
        and len(list_filter(agents.said, lambda part: part <> '' and contains(acting.sentence, part || 'を'))) > 0
        and len(list_filter(agents.said, lambda part: part <> '' and (contains(acting.sentence, part || 'が') or contains(acting.sentence, part || 'は')))) = 0
),
other_sense as (
    select text_id, 'another sense' as change, original, sentence
    from sentences
    where is_paired and ((contains(sentence, '建築') and regexp_matches(original, '(?i)\b(?:model|network|software|system|transformer|neural|LLaMA|computer|chip)[a-z]*\b.*architecture|architecture.*\b(?:model|network|software|transformer)'))
        or (contains(sentence, '代理店') and regexp_matches(original, '(?i)\b(?:government|federal|state|space|intelligence|environmental|protection)[a-z]* agenc'))
        or (contains(sentence, '文字') and regexp_matches(original, '(?i)\b(?:main|cartoon|fictional|anime|film|movie|game|story) characters?\b'))
        or (contains(sentence, '住所') and regexp_matches(original, '(?i)\baddress(?:es|ed|ing)? (?:the|this|these) (?:issue|problem|concern|question)'))
        or (contains(sentence, '権利') and regexp_matches(original, '(?i)\bon the right\b|\bright (?:side|hand|corner)'))
        or (contains(sentence, '銀行') and regexp_matches(original, '(?i)\b(?:river|west|left|right) banks?\b')))
),
exclusive as materialized (
    select
        generate_subscripts(exclusive_words(), 1) as number,
        unnest(list_transform(exclusive_words(), lambda word: word[1])) as class,
        unnest(list_transform(exclusive_words(), lambda word: string_split(word[2], '|'))) as said,
        unnest(list_transform(exclusive_words(), lambda word: beginnings_of_words(word[3]))) as names,
        unnest(list_transform(exclusive_words(), lambda word: beginnings_of_words(word[4]))) as sources,
        unnest(list_transform(exclusive_words(), lambda word: beginnings_of_words(word[5]))) as negated
),
one_word as materialized (select number, class, unnest(said) as said, sources, negated from exclusive),
compared as (
    select text_id, sentence, original from sentences where is_paired
    union all
    select text_id, "text" as sentence, original
    from texts
    where text_id in (select text_id from sentences where not is_paired)
),
found as materialized (
    select text_id, sentence, original, unnest(list_distinct(regexp_extract_all(sentence, words_with_sources()))) as said
    from compared
),
unsourced as materialized (
    select text_id, sentence, original, plain, said, number, class
    from (
        select *, spaced_words(original) as plain
        from found
        join one_word using (said)
    )
    where not has_word(plain, sources)
        and not (len(negated) > 0 and has_word(plain, negated) and regexp_matches(original, reversing_words()))
        -- A word in katakana may be the end of a longer one.
        and (said < 'ァ' or said > 'ヺ' or regexp_matches(sentence, '(?:^|[^ァ-ヺー])' || said))
),
swapped as (
    select text_id, trim(list_first(list_filter(others.names, lambda name: contains(plain, name)))) || ' → ' || unsourced.said as change, original, sentence
    from unsourced
    join exclusive as others on others.class = unsourced.class and others.number <> unsourced.number
    where unsourced.class <> ''
        and has_word(plain, others.names)
        and not has_word(sentence, others.said)
    union all
    select text_id, unsourced.said as change, unsourced.original, sentence
    from unsourced
    join exclusive using (number)
    join texts using (text_id)
    where unsourced.class = '' and not has_word(spaced_words(texts.original), sources)
)
select
    text_id,
    string_agg(distinct change, ', ') || ': ' || left(any_value(original), 100) || ' → ' || left(any_value(sentence), 100)
        as evidence
from (from exchanged union all from sides union all from turned union all from other_sense union all from swapped)
group by text_id;
