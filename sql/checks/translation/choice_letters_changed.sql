-- One row per turn whose choice letters are not those of the original, or per answer whose letter is not one of its
-- question's choices.
-- severity: reject
--
-- sample_id   the sample
-- turn_index  the turn, from 0
-- evidence    the letters that should be there, and the text
with questions as materialized (
    select
        text_id,
        "text",
        original,
        choice_letters(coalesce(original, half_width("text"))) as choices
    from texts
    where role = 'user' and regexp_matches(coalesce(original, "text"), '[BＢ]\s?[).:：、．）\]】]')
),
answers as materialized (
    select
        text_id,
        "text",
        original,
        answered_letter(original) as original_letter,
        answered_letter("text") as letter
    from texts
    where role = 'assistant'
        and (
            regexp_matches(original, lettered_answer())
            or (original is null and length("text") < 30 and regexp_matches("text", '[A-JＡ-Ｊa-jａ-ｊア-オあ-お甲乙丙丁エビシデ]'))
        )
),
changed as (
    select text_id, choices || ' → ' || left("text", 200) as evidence
    from questions
    where original is not null and choices <> '' and not contains(array_to_string(lone_letters("text"), ''), choices)
    union all
    select text_id, original_letter || ' → ' || left("text", 200) as evidence
    from answers
    where original_letter <> ''
        and not regexp_matches(original, '^[A-J]\. ?[A-Z]')
        and letter <> original_letter
        and (letter <> '' or not list_contains(lone_letters("text"), original_letter))
    union all
    select text_id, original_letter || ' → ' || left("text", 200) as evidence
    from answers
    where original_letter <> ''
        and length(original) <= 3
        and letter in ('', original_letter)
        and list_contains(lone_letters("text"), original_letter)
        and len(list_distinct(lone_letters("text"))) > 1
)
select sample_id, turn_index, evidence
from changed
join turns using (text_id)
union all
select said.sample_id, said.turn_index, choices || ' → ' || answers."text" as evidence
from questions
join turns as asked using (text_id)
join turns as said on said.sample_id = asked.sample_id and said.turn_index = asked.turn_index + 1
join answers on answers.text_id = said.text_id
where answers.original is null
    and choices <> ''
    and (regexp_full_match(trim(answers."text"), kana_letter()) or (letter <> '' and not contains(choices, letter)));
