-- One row per turn whose bounding boxes and points are not those of the original, in any order, or are no longer plain
-- ASCII.
-- severity: reject
--
-- sample_id   the sample
-- turn_index  the turn, from 0
-- evidence    the boxes of the original and of the text
with boxed as (
    select
        sample_id,
        turn_index,
        "text",
        original,
        list_sort(
            list_transform(regexp_extract_all("text", box()), lambda found: regexp_replace(found, '\s', '', 'g'))
        ) as boxes,
        list_sort(
            list_transform(regexp_extract_all(original, box()), lambda found: regexp_replace(found, '\s', '', 'g'))
        ) as original_boxes
    from turns
    where regexp_matches(original, box()) or regexp_matches("text", box() || '|' || misspelled_box())
)
select
    sample_id,
    turn_index,
    coalesce(array_to_string(original_boxes, ' '), 'no original') || ' → ' || left("text", 200) as evidence
from boxed
where boxes <> original_boxes or (original is null and regexp_matches("text", misspelled_box()));
