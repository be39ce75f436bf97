-- One row per turn that leaves out a part of its original, or says something else: of the common English words of a sentence,
-- most have nothing in the Japanese text that could stand for them, or some have nothing and the text has fewer
-- sentences.
-- severity: warn
-- example: 1 [["<image>\n説明してください。", "<image>\nPlease describe it."], ["彼らは彼女が見守っていることを知っていました。", "They knew that she was watching over them, and they felt safe and happy in the forest."]]
-- example: 1 [["<image>\n説明してください。", "<image>\nPlease describe it."], ["猫が椅子に座っています。日光が床に差し込んでいます。部屋は穏やかで居心地が良さそうです。", "A cat sits on a chair. The chair is next to a large window. Sunlight falls on the floor. The room looks calm and cosy."]]
-- example: 1 [["<image>\n説明してください。", "<image>\nPlease describe it."], ["今後とも皆様のご支援を賜りますよう、よろしくお願い申し上げます。", "I hope you have a great day and please come back if you need help."]]
--
-- sample_id   the sample
-- turn_index  the turn, from 0
-- evidence    the English words, and the sentence
with entries as materialized (
    select distinct word, concept, said
    from lexicon()
    -- These have too many senses to be missed.
    where not word in ('right', 'left', 'before', 'after', 'first', 'last', 'little', 'light', 'lost', 'lose', 'watch', 'hand', 'head', 'long', 'short', 'new', 'play', 'run', 'big', 'hot', 'cool', 'sign', 'party', 'head', 'face', 'eye', 'dress', 'star', 'park', 'light')
),
parts as (
    select
        sample_id,
        turn_index,
        "text",
        original as whole,
        unnest(originals) as part,
        len(originals) - len(japanese_sentences("text")) as num_fewer
    from (
        select
            sample_id,
            turn_index,
            "text",
            original,
            english_sentences(regexp_replace(original, '"[^"\n]*"|“[^”\n]*”', '', 'g')) as originals
        from turns
        where role = 'assistant' and length(original) between 25 and 4000 and not contains(original, '```')
    )
),
named as (
    select *, unnest(list_distinct(regexp_extract_all(lower(part), '[a-z]{3,}'))) as word
    from parts
),
compared as (
    select
        sample_id,
        turn_index,
        part,
        any_value(num_fewer) as num_fewer,
        any_value("text") as "text",
        any_value(whole) as whole,
        count(distinct concept) as num_concepts,
        list(distinct concept) filter (where len(list_filter(entries.said, lambda one: contains(named."text", one))) = 0) as lost
    from named
    join entries using (word)
    group by sample_id, turn_index, part
)
select sample_id, turn_index, string_agg(array_to_string(list_transform(lost, lambda concept: split_part(concept, ' ', 1)), ', ') || ': ' || left(part, 150), ' | ') as evidence
from compared
where (len(lost) >= 3 and len(lost) >= 0.6 * num_concepts)
    or (len(lost) >= 2 and len(lost) >= 0.6 * num_concepts and (num_fewer > 0 or length("text") < 0.33 * length(whole)))
group by sample_id, turn_index;
