-- One row per turn that leaves out a number of its original or has one more, whose numbers changed places or stand there
-- more or less often, or that has another unit or time of day. A person may count what the English names, so not every
-- one of these is wrong.
-- severity: warn
-- example: 1 [["<image>\n説明してください。", "<image>\nPlease describe it."], ["犬が走っています。", "12 dogs are running."]]
-- example: 1 [["<image>\n説明してください。", "<image>\nPlease describe it."], ["車が3台あります。", "There are some cars."]]
-- example: 1 [["<image>\n説明してください。", "<image>\nPlease describe it."], ["犬とボールが2匹います。", "There is a dog and a ball."]]
-- example: 1 [["<image>\n説明してください。", "<image>\nPlease describe it."], ["彼は60代です。", "He is in his forties."]]
-- example: 1 [["<image>\n説明してください。", "<image>\nPlease describe it."], ["時計は5時を指しています。", "The clock shows half past five."]]
-- example: 1 [["<image>\n説明してください。", "<image>\nPlease describe it."], ["湖はホテルから12キロメートルのところにあります。", "The lake is 12 miles from the hotel."]]
-- example: 1 [["<image>\n説明してください。", "<image>\nPlease describe it."], ["卵4個と牛乳大さじ2、砂糖4gです。", "Use 3 eggs, 2 tablespoons of milk and 4 g of sugar."]]
-- example: 1 [["<image>\n説明してください。", "<image>\nPlease describe it."], ["油を大さじ1/2加えます。", "Add 1 ½ tablespoons of oil."]]
-- example: 1 [["<image>\n説明してください。", "<image>\nPlease describe it."], ["森にクマとネコとウサギが住んでいました。二人は仲良しでした。", "A bear, a cat and a rabbit lived in a forest. They were good friends."]]
--
-- text_id   the text
-- evidence  the numbers that are lost and added, and the beginning of both texts
with numbered as (
    select text_id, "text", original
    from texts
    where original is not null
        and (regexp_matches(original, english_numeral()) or regexp_matches("text", japanese_numeral()))
),
counted as materialized (
    select
        text_id,
        "text",
        original,
        english_numbers(original) as originals,
        numerals_in_english(original) as all_originals,
        numerals_in_japanese("text") as all_numbers
    from numbered
    where length(original) < 600 and regexp_matches(original, '[0-9].*[^0-9.,][0-9]') and not contains(original, '[')
),
replaced as (
    from (
        select text_id, "text", original, '' as added, '半' as lost
        from numbered
        where contains(original, 'alf past') and not regexp_matches("text", '半|[3３][0０]|三十')
    )
    union all
    from (
        select text_id, "text", original, '半' as added, '' as lost
        from numbered
        where contains("text", '時半') and not regexp_matches(original, '(?i)half|30|thirty')
    )
    union all
    from (
        select text_id, "text", original, '' as added, array_to_string(units_lost(original, "text"), ' ') as lost
        from numbered
        where regexp_matches(original, '(?i)(?:second|minute|hour|day|week|month|year|inch|mile|kilomet|centimet|pound)')
            and len(units_lost(original, "text")) > 0
    )
    union all
    from (
        select text_id, "text", original, array_to_string(units_added(original, "text"), ' ') as added, '' as lost
        from texts
        where original is not null
            and regexp_matches(
                "text",
                '[0-9０-９一二三四五六七八九十百千万数] ?(?:秒|分|時間|日間|週間|[かヶカヵケ箇個]月|年間|世紀|インチ|フィート|ヤード|マイル|センチ|ミリ|キロ|メートル|グラム|オンス|ドル|ユーロ|円|パーセント)'
            )
            and len(units_added(original, "text")) > 0
    )
    union all
    from (
        select text_id, "text", original, '' as added, clock_times(original)::varchar as lost
        from numbered
        where contains("text", '時')
            and contains(original, ':')
            and len(clock_times("text")) > 0
            and len(clock_times(original)) > 0
            and not list_has_any(clock_times(original), clock_times("text"))
    )
    union all
    from (
        select text_id, "text", original, added::varchar as added, lost::varchar as lost
        from (
            select
                *,
                list_filter(
                    originals,
                    lambda number:
                        len(list_filter(all_originals, lambda one: one = number))
                            > len(list_filter(all_numbers, lambda one: one = number))
                        and not is_number_in_other_words(number, "text", originals)
                ) as lost,
                list_filter(
                    originals,
                    lambda number:
                        len(list_filter(all_originals, lambda one: one = number))
                            < len(list_filter(all_numbers, lambda one: one = number))
                        and not (number = 2 and has_source_in_english(number, original, originals, "text"))
                ) as added
            from counted
            where list_sort(all_numbers) <> list_sort(all_originals)
        )
        where len(lost) > 0 and len(added) > 0
    )
)
select
    text_id,
    'lost ' || lost::varchar || ', added ' || added::varchar || ': '
        || left(original, 150) || ' → ' || left("text", 150) as evidence
from changed_numbers
where len(lost) = 0 or len(added) = 0
union
select
    text_id,
    'lost ' || lost || ', added ' || added || ': ' || left(original, 150) || ' → ' || left("text", 150) as evidence
from replaced;
