-- One row per turn that no longer asks although its original ends in a question.
-- severity: warn
-- example: 1 [["<image>\n説明してください。", "<image>\nPlease describe it."], ["写真には他にも何かあります。", "Is there anything else in the picture?"]]
--
-- text_id   the text
-- evidence  the end of the original and of the text
select text_id, right(original, 100) || ' → ' || right("text", 100) as evidence
from texts
where regexp_matches(original, '\?["”’'')]*\s*$')
    -- Japanese has an ending for a tag.
    and not regexp_matches(original, '(?i)[,–-]\s*[a-z'' ’]{2,20}\?["”’'')]*\s*$')
    and not regexp_matches("text", '[?？]|か(?:[。」』、よなね]|\s*$)|(?:でしょう|かな|かしら|だろう|だっけ|の|なの|ください|下さい|なさい|教えて|くれ|願い|いかが|では|ても|って|よね|ね|よ|い|んだ|っけ|のですが|だよな)(?:[。」』]|\s*$)|(?:何|なぜ|どう|どこ|どの|どんな|誰|いつ|いくつ|いくら|だれ)[^。]{0,12}(?:だ|った|る|い)[。」]?$|説明|思う|理由');
