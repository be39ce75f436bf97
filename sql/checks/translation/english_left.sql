-- One row per answer with ordinary English words of its original inside of a Japanese sentence. Quotes, names, code and
-- addresses are left alone.
-- severity: warn
-- example: 1 [["<image>\n説明してください。", "<image>\nPlease describe it."], ["これは50nautical milesを超える最初の飛行でした。", "This was my first flight of over 50 nautical miles."]]
-- example: 1 [["<image>\n説明してください。", "<image>\nPlease describe it."], ["数羽の鳥がon the branch of an old tree に止まっています。", "Several birds are sitting on the branch of an old tree in the garden."]]
-- example: 1 [["<image>\n説明してください。", "<image>\nPlease describe it."], ["これは全部clickbaitですが、心配です。", "It's all clickbait but it worries me."]]
--
-- text_id   the text
-- evidence  the words, and the beginning of the text
with mixed as (
    select
        text_id,
        "text",
        original,
        regexp_replace("text", '(?s)```.*?```|`[^`]*`|https?://[!-~]+|[@#][A-Za-z0-9_]+|<[^<>]*>|[（(][^()（）]*[)）]|' || quotation(), '、', 'g') as words
    from texts
    where role = 'assistant'
        and original is not null
        and regexp_matches("text", '[\p{Hiragana}\p{Katakana}\p{Han}ー、。0-9]\s?[a-z]{2,}(?:\s|[\p{Hiragana}\p{Katakana}\p{Han}])')
),
found as (
    select
        *,
        list_filter(
            list_concat(
                regexp_extract_all(words, '(?:^|[\p{Hiragana}\p{Katakana}\p{Han}ー、。0-9]\s?)([a-z]{2,}(?: [a-z]{2,})+)', 1),
                regexp_extract_all(words, '[\p{Hiragana}\p{Han}、。]\s?([a-z]{2,}(?:ly|ing|ed|ful|ous|tion|able|ness|ment|bait|al|er|es))\s?[\p{Hiragana}\p{Han}、。]', 1)
            ),
            lambda part: regexp_matches(original, '[a-z,] ' || part || '\b|[0-9] ' || part || '\b')
                and not part in ('email', 'wifi', 'http', 'https', 'html', 'json', 'iphone', 'app', 'blog')
        ) as left_over
    from mixed
    where regexp_matches(words, '[a-z]{3,}')
)
select text_id, array_to_string(left_over, ' | ') || ': ' || left("text", 200) as evidence
from found
where len(left_over) > 0;
