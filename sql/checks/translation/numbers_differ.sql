-- One row per turn with a number in place of another one of its original, or with another month, day of the week or half
-- of the day. Digits of both widths, kanji numerals and English number words are compared by their value.
-- severity: reject
--
-- text_id   the text
-- evidence  the numbers that are lost and added, and the beginning of both texts
with numbered as (
    select text_id, "text", original
    from texts
    where original is not null
        and (regexp_matches(original, english_numeral()) or regexp_matches("text", japanese_numeral()))
),
weekdays as (
    select
        text_id,
        "text",
        original,
        japanese_weekdays("text") as days,
        english_weekdays(original) as original_days
    from texts
    where original is not null
        and (contains("text", '曜') or contains("text", '日（') or contains("text", '日('))
),
replaced as (
    from (
        select
            text_id,
            "text",
            original,
            array_to_string(days, ' ') as added,
            array_to_string(original_days, ' ') as lost
        from weekdays
        where not list_has_all(original_days, days) and not list_has_all(days, original_days)
    )
    union all
    from (
        select
            text_id,
            "text",
            original,
            japanese_months("text")::varchar as added,
            english_months(original)::varchar as lost
        from numbered
        where contains("text", '月')
            and len(japanese_months("text")) > 0
            and len(english_months(original)) > 0
            and not list_has_all(english_months(original), japanese_months("text"))
            and not list_has_all(japanese_months("text"), english_months(original))
    )
    union all
    from (
        select text_id, "text", original, '午前' as added, 'p.m.' as lost
        from texts
        where contains("text", '午前')
            and regexp_matches(original, '(?i)\bp\.?m\b|\bafternoon|\bevening')
            and not regexp_matches(original, '(?i)\ba\.?m\b|[0-9]am\b|morning|\bnoon\b|night')
    )
    union all
    from (
        select text_id, "text", original, '午後' as added, 'a.m.' as lost
        from texts
        where contains("text", '午後')
            and regexp_matches(original, '(?i)\ba\.m\b|[0-9] ?am\b|\bmorning')
            and not regexp_matches(original, '(?i)\bp\.?m\b|[0-9]pm\b|\bnoon\b|afternoon|evening|night')
    )
    union all
    from (
        select text_id, "text", original, '' as added, original as lost
        from texts
        where length(original) < 6
            and regexp_full_match(original, '(?i)(?:0|1|zero|one)\.?')
            and not regexp_matches(
                "text",
                case
                    when regexp_full_match(original, '(?i)(?:1|one)\.?') then '[1１一]|ひと|ワン|(?i:one)'
                    else '[0０〇零]|ゼロ|な[いし]|ません|(?i:zero)'
                end
            )
    )
)
select
    text_id,
    'lost ' || lost::varchar || ', added ' || added::varchar || ': '
        || left(original, 150) || ' → ' || left("text", 150) as evidence
from changed_numbers
where len(lost) > 0 and len(added) > 0
union
select
    text_id,
    'lost ' || lost || ', added ' || added || ': ' || left(original, 150) || ' → ' || left("text", 150) as evidence
from replaced;
