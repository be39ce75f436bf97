-- One row per turn in which a hashtag, a mention, a placeholder, a tag or a text emoji of the original is not there word
-- for word.
-- severity: warn
-- example: 1 [["<image>\n説明してください。", "<image>\nPlease describe it."], ["この景色が大好き！ #夕日 #ノーフィルター", "Loving this view! #sunset #nofilter"]]
-- example: 1 [["<image>\n説明してください。", "<image>\nPlease describe it."], ["家に緑のものが2足あります。", "@user37 I have two green pairs at home."]]
-- example: 1 [["<image>\n説明してください。", "<image>\nPlease describe it."], ["こんにちは、{名前}さん。", "Hello, {name}."]]
-- example: 1 [["<image>\n説明してください。", "<image>\nPlease describe it."], ["［人名3］はいいえと言いました。", "[PERSON3] said no."]]
-- example: 1 [["<image>\n説明してください。", "<image>\nPlease describe it."], ["<参考>犬です。", "<ref>It is a dog.</ref>"]]
--
-- text_id   the text
-- evidence  what is lost, and the beginning of the text
with tagged as (
    select
        text_id,
        "text",
        regexp_extract_all(
            case when contains(original, '`') then regexp_replace(original, '(?s)```.*?```|`[^`\n]*`', '', 'g') else original end,
            '#[A-Za-z_][A-Za-z0-9_]*#?|(?:^|[\s(])(@[A-Za-z0-9_]{2,})|\{\{?[A-Za-z_][A-Za-z0-9_ ]*\}?\}|\[[A-Z_]+[0-9]*\]|%\([a-z_]+\)[sd]'
            || '|</?[a-z_]+/?>|:[a-z_]{3,}:|<(?:[A-Z]+_[A-Z_0-9]+)>'
        ) as tags
    from texts
    where regexp_matches(original, '[#@{\[%<:]')
)
select
    text_id,
    array_to_string(list_filter(tags, lambda tag: not contains(half_width("text"), trim(tag, ' (') )), ' ') || ': ' || left("text", 200) as evidence
from tagged
where len(tags) > 0
    and len(list_filter(tags, lambda tag: tag <> '<image>' and not contains(half_width("text"), trim(tag, ' (')))) > 0;
