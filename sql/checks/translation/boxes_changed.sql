-- One row per turn whose bounding boxes and points are not those of the original, in any order, or are no longer plain
-- ASCII.
-- severity: reject
--
-- text_id   the text
-- evidence  the boxes of the original and of the text
with boxed as (
    select
        text_id,
        "text",
        original,
        list_sort(
            list_transform(regexp_extract_all("text", box()), lambda found: regexp_replace(found, '\s', '', 'g'))
        ) as boxes,
        list_sort(
            list_transform(regexp_extract_all(original, box()), lambda found: regexp_replace(found, '\s', '', 'g'))
        ) as original_boxes
    from texts
    where regexp_matches(original, box()) or regexp_matches("text", box() || '|' || misspelled_box())
)
select
    text_id,
    coalesce(array_to_string(original_boxes, ' '), 'no original') || ' → ' || left("text", 200) as evidence
from boxed
where boxes <> original_boxes or (original is null and regexp_matches("text", misspelled_box()));
