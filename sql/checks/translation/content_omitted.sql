-- One row per turn that leaves out a part of its original, or says something else: of the common English words of a sentence,
-- most have nothing in the Japanese text that could stand for them, or some have nothing and the text has fewer
-- sentences.
-- severity: warn
-- example: 1 [["<image>\n説明してください。", "<image>\nPlease describe it."], ["彼らは彼女が見守っていることを知っていました。", "They knew that she was watching over them, and they felt safe and happy in the forest."]]
-- example: 1 [["<image>\n説明してください。", "<image>\nPlease describe it."], ["猫が椅子に座っています。日光が床に差し込んでいます。部屋は穏やかで居心地が良さそうです。", "A cat sits on a chair. The chair is next to a large window. Sunlight falls on the floor. The room looks calm and cosy."]]
-- example: 1 [["<image>\n説明してください。", "<image>\nPlease describe it."], ["今後とも皆様のご支援を賜りますよう、よろしくお願い申し上げます。", "I hope you have a great day and please come back if you need help."]]
--
-- text_id   the text
-- evidence  the English words, and the sentence
with missing as (
    select text_id, place, concept, said
    from missing_words
    where class in ('', 'animal', 'vehicle', 'food', 'colour')
        -- These have too many senses to be missed.
        and not split_part(concept, ' ', 1) in (
            'little', 'light', 'watch', 'hand', 'head', 'play', 'run', 'sign', 'party', 'face', 'eye', 'dress', 'star', 'park',
            'orange', 'lamp', 'clock', 'ground', 'plate', 'mouth', 'play', 'running', 'playing', 'man', 'people'
        )
),
several as (
    select text_id, place, list({concept: concept, said: said}) as words
    from missing
    group by text_id, place
),
named as (
    select text_id, place, unnest(regexp_extract_all(lower(original), '[a-z]{3,}')) as word
    from several
    join sentences using (text_id, place)
),
counted as (
    select text_id, place, count(distinct concept) as num_concepts
    from named
    join (select distinct word, concept from lexicon() where class in ('', 'animal', 'vehicle', 'food', 'colour')) using (word)
    group by text_id, place
),
compared as (
    select
        several.text_id,
        num_concepts,
        sentences.num_fewer,
        sentences.original,
        texts."text",
        length(texts."text") < 0.33 * length(texts.original) as is_short,
        list_filter(
            words, lambda word: len(list_filter(word.said, lambda part: contains(texts."text", part))) = 0
        ) as lost
    from several
    join counted using (text_id, place)
    join sentences using (text_id, place)
    join texts using (text_id)
    where not regexp_matches(sentences.original, '["“”]')
)
select
    text_id,
    string_agg(
        array_to_string(list_transform(lost, lambda word: split_part(word.concept, ' ', 1)), ', ') || ': ' || left(original, 150), ' | '
    ) as evidence
from compared
where len(lost) >= 0.6 * num_concepts
    and (
        len(lost) >= 3
        or (len(lost) >= 2 and (num_fewer > 0 or is_short))
        or (len(lost) = num_concepts and num_fewer > 0 and length(original) >= 25)
    )
group by text_id
union
select text_id, any_value(num_fewer) || ' sentences fewer, and short' as evidence
from sentences
join texts using (text_id)
where num_fewer between 1 and 5
    and length(texts.original) >= 100
    and length(texts."text") < 0.29 * length(texts.original)
group by text_id;
