-- One row per turn with an HTML entity such as &amp; or &#39;.
-- severity: warn
--
-- sample_id   the sample
-- turn_index  the turn, from 0
-- evidence    the entities
with matched as (
    select
        sample_id,
        turn_index,
        regexp_extract_all("text", '&(?:amp|lt|gt|quot|apos|nbsp|hellip|mdash|ndash|#\d{1,6}|#[xX][0-9A-Fa-f]{1,5});')
            as entities
    from turns
)
select sample_id, turn_index, array_to_string(list_distinct(entities), ' ') as evidence
from matched
where len(entities) > 0;
