-- One row per turn that no longer asks although its original ends in a question: it ends as a polite statement, or as a plain
-- one without any word that asks.
-- severity: warn
-- example: 1 [["<image>\n説明してください。", "<image>\nPlease describe it."], ["写真には他にも何かあります。", "Is there anything else in the picture?"]]
--
-- text_id   the text
-- evidence  the end of the original and of the text
select text_id, right(original, 100) || ' → ' || right("text", 100) as evidence
from texts
where regexp_matches(original, '\?["”’'')]*\s*$')
    -- Japanese has an ending for a tag, and a wish or an offer need not ask.
    and not regexp_matches(original, '(?i)[,–-]\s*[a-z'' ’]{2,20}\?["”’'')]*\s*$|\b(?:how about|what about|why not|wonder(?:ing)?|question:)[^.?!]*\?["”’'')]*\s*$|\?\?')
    and len(regexp_extract_all("text", '[?？]+|か(?:[。」』、よなね]|\s*$)')) < len(regexp_extract_all(original, '[?]+'))
    and not regexp_matches(right("text", 12), '[?？]|か[。」』よなね]?\s*$')
    and case
        when regexp_matches("text", '(?:です|ます|でした|ました|ません)[。」』]?\s*$')
            then not regexp_matches(right("text", 40), 'お願い|ほしい|欲しい|たいの?です|たいこと|どうしました|と思いま|気にな|分かりません|わかりません|いたします|のですが')
        else regexp_matches("text", '(?:だ|である|た|る|い)[。」』]?\s*$')
            and not regexp_matches("text", '(?:くれ|ください|下さい|って|たい|ほしい|いい|よい|良い|の|んだ|のだ|ない|かい|だろう)[。」』]?\s*$')
            and not regexp_matches(right("text", 80), '何|なん|なぜ|どう|どこ|どの|どんな|どれ|どちら|誰|だれ|いつ|いくつ|いくら|説明|思う|理由|疑問|気にな')
    end;
