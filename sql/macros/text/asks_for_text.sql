-- A regular expression for an English question whose answer is text in the image, such as a sign, a title or an author.
create macro asks_for_text() as
    '(?i)\b(?:what|which|who|whose|can you|could you|please|read|tell)\b[^?]*(?:\b(?:say|says|said|read|reads'
    || '|written|writing|printed|inscri[a-z]+|spell(?:s|ed)?|engraved|labell?ed|text|words?|letters?|phrase|slogan'
    || '|caption on|license|plate number)\b|\b(?:wrote|author(?:ed)?|writer|title|titled|called)\b[^?]*\b(?:book|novel'
    || '|magazine|volume|publication|this)\b|\b(?:title|author|writer|brand|logo|website|url|model|company|maker'
    || '|manufacturer|sponsor)\b[^?]*\b(?:of|is|on|for|made|shown)\b|\bname (?:of|on) (?:the |this )?(?:store|shop'
    || '|restaurant|company|brand|street|book|airline|airplane|plane|team|website|hotel|bank|magazine|product|sign'
    || '|jersey|boat|ship|bus|train|building|beer|wine|drink|bottle|cafe|band|player|road|station|movie)'
    || '|\bnumber (?:is )?(?:on|of the (?:jersey|bus|train|player)|written|shown)\b)'
    || '|\b(?:who|whom)\b[^?]*\b(?:author|wrote|written|writer|illustrat)';
