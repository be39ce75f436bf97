-- One row per turn that lost or gained a negation. Texts with as many sentences as their original are compared sentence by
-- sentence; in others, fewer negations than the original has are lost. What English says without a negation and Japanese
-- with one (still, remains, missing, must) is no gain.
-- severity: warn
-- example: 1 [["<image>\n説明してください。", "<image>\nPlease describe it."], ["男性は帽子をかぶっていません。", "The man is wearing a hat."]]
-- example: 1 [["<image>\n説明してください。", "<image>\nPlease describe it."], ["画像には人が写っています。", "There are no people in the image."]]
-- example: 1 [["<image>\n説明してください。", "<image>\nPlease describe it."], ["二匹目の犬かもしれます。", "It may be a second dog."]]
-- example: 1 [["<image>\n説明してください。", "<image>\nPlease describe it."], ["犬が走っています。人は座っています。", "A dog is running. Nobody is sitting."]]
-- example: 1 [["<image>\n説明してください。", "<image>\nPlease describe it."], ["はい。鍵は掛かっていません。", "Yes. The door is locked."]]
-- example: 1 [["<image>\n説明してください。", "<image>\nPlease describe it."], ["台所は狭いです。部屋には窓があるので、暗く見えます。持ち主は家にいないようです。", "The kitchen is small. There is no window in the room, so it looks dark. The owner does not seem to be at home."]]
-- example: 1 [["<image>\n説明してください。", "<image>\nPlease describe it."], ["下には「皮肉なことに」とあります。", "At the bottom it says: but unironically."]]
-- example: 1 [["<image>\n説明してください。", "<image>\nPlease describe it."], ["ペットとたばこの家で作られました。", "It was made in a pet and smoke free home."]]
--
-- text_id   the text
-- evidence  the original and the beginning of the text
with negated as (
    select
        text_id,
        "text",
        original,
        role,
        without_japanese_idioms("text") as said,
        without_english_idioms(original) as original_said
    from texts
    where original is not null
        and length("text") between 4 and 4000
        and not contains("text", '```')
        and (
            regexp_matches(original, plain_english_negation() || '|' || negative_prefix())
            or regexp_matches("text", broken_negation())
            or (role = 'assistant' and regexp_matches("text", final_japanese_negation()))
        )
),
split as materialized (
    select
        *,
        english_sentences(original_said) as originals,
        english_sentences(original) as whole_originals,
        japanese_sentences("text") as sentences
    from negated
    where length("text") > 0.25 * length(original)
),
compared as (
    select
        *,
        len(whole_originals) = len(originals)
            and len(originals) = len(sentences)
            and len(
                list_filter(
                    range(1, len(originals) + 1),
                    lambda place: length(sentences[place]) > 1.1 * length(whole_originals[place])
                        or length(sentences[place]) < 0.15 * length(whole_originals[place])
                )
            ) = 0 as are_aligned
    from split
)
select text_id, left(original, 100) || ' → ' || left("text", 100) as evidence
from compared
where regexp_matches("text", broken_negation()) or case
    when are_aligned
        then len(
            list_filter(
                range(1, len(originals) + 1),
                -- Outside of a case, all of a condition is computed.
                lambda place: case
                    when regexp_matches(originals[place], plain_english_negation() || '|' || negative_prefix())
                        and not regexp_matches(sentences[place], any_japanese_negation())
                        then true
                    when role = 'assistant'
                        and regexp_matches(sentences[place], final_japanese_negation())
                        and not regexp_matches(whole_originals[place], any_english_negation())
                        then regexp_matches(without_japanese_idioms(sentences[place]), final_japanese_negation())
                    else false
                end
            )
        ) > 0
    else (
        regexp_matches(original_said, plain_english_negation())
        and len(regexp_extract_all(original_said, plain_english_negation()))
            > len(regexp_extract_all("text", any_japanese_negation()))
    )
    or (
        role = 'assistant'
        and regexp_matches(said, final_japanese_negation())
        and len(regexp_extract_all(said, final_japanese_negation())) > len(regexp_extract_all(original, any_english_negation()))
    )
end;
