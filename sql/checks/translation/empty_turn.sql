-- One row per turn that says nothing. The image token alone is a question without words, which is allowed.
-- severity: reject
--
-- text_id   the text
-- evidence  who says nothing
select text_id, 'the ' || role || ' says nothing' as evidence
from texts
where regexp_full_match("text", '[\s\p{Z}\p{Cf}]*')
    or (
        regexp_full_match(replace("text", '<image>', ''), '[\s\p{Z}\p{Cf}\p{P}]*')
        and regexp_matches(replace(original, '<image>', ''), '[A-Za-z0-9]')
    );
