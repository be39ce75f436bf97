-- One row per turn with an HTML entity such as &amp; or &#39;, also one that lost its & or its semicolon on the way, or
-- with an HTML tag such as <br> of which its original has none. A text about HTML is left alone.
-- severity: warn
--
-- text_id   the text
-- evidence  the entities
with matched as (
    select
        text_id,
        regexp_extract_all(
            "text",
            '[&＆]\s?(?:[a-zA-Z]{1,6}(?:acute|grave|circ|uml|tilde|cedil|slash|ring)|amp|lt|gt|quot|apos|nbsp|hellip'
            || '|[mn]dash|[lr][sd]quo|[lr]aquo|bull|middot|copy|reg|trade|deg|plusmn|times|divide|frac\d\d|euro|pound'
            || '|yen|cent|sect|para|hearts|[lrud]arr|ensp|emsp|thinsp|zwnj|zwj|shy|iexcl|iquest|szlig|[A-Za-z]?elig'
            || '|infin|ne|le|ge|larr|rarr|[#＃][0-9０-９]{1,6}|[#＃][xX][0-9A-Fa-f]{1,5})\s?[;；]|&(?:quot|nbsp|amp|#\d{2,6}'
            || '|#x[0-9A-Fa-f]{2,5})\b|\b(?:nbsp|quot);'
        ) as entities
    from texts
    where contains("text", '&') or contains("text", '＆') or contains("text", 'nbsp') or contains("text", 'quot')
)
select text_id, array_to_string(list_distinct(entities), ' ') as evidence
from matched
where len(entities) > 0
union
select text_id, regexp_extract(regexp_replace("text", '(?s)```.*?```|`[^`\n]*`', '', 'g'), html_tag()) as evidence
from texts
where contains("text", '<')
    and regexp_matches("text", html_tag())
    and regexp_matches(regexp_replace("text", '(?s)```.*?```|`[^`\n]*`', '', 'g'), html_tag())
    and not contains(coalesce(original, ''), regexp_extract("text", '<[/]?[A-Za-z][A-Za-z0-9]*'))
    and not (original is null and regexp_matches("text", '(?i)<html|HTML|タグ|ウェブページ|Webページ'));
