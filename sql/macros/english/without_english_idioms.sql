-- An English text without the phrases in which a negative word does not negate: "not only", "no doubt", "don't worry".
create macro without_english_idioms(sentence) as
    regexp_replace(
        sentence,
        '(?i)\bnot (?:only|just|merely|simply|to mention|least|unlike|until|uncommon|unusual|sure|certain|clear|hurt)\b'
        || '|\bno (?:doubt|matter|wonder|problem|longer than|later than|more than|less than|fewer than|sooner|better)\b|\bno\.? ?[0-9]'
        || '|\b(?:don[''’]t|do not) (?:worry|hesitate|mind|miss|forget)|\bcan(?:no|[''’])t (?:wait|help|go wrong|miss)\b'
        || '|\b(?:whether )?or not\b|\bif not\b|\bwhy (?:not|don[''’]t)|\b(?:nothing|no [a-z]+) but\b|\bnothing (?:more than|like)\b|\bnever fails?\b'
        || '|,\s*(?:is|are|was|were|do|does|did|has|have|ca|could|wo|would|should)n[''’]t (?:it|he|she|they|we|you|i|there)\b'
        || '|\bnot (?:too|so|very|that) (?:far|long|much|many|old|big|large|small|bad|good)\b'
        || '|\b(?:is|are|was|were|do|does|did|have|has|had|can|could|would|will|wo|should)n[''’]t [^.!?]{1,80}\?|\blost no time\b|\b(?:can|could)not but\b|\bnothing but\b|\bit (?:is|was) not until\b|\bno (?:longer|less|match)\b'
        || '|\bnot far\b|\bnot (?:surprising|surprised)|\bnothing (?:unusual|special)|\bnone other\b|\bnot all\b|\bno ?- ?[a-z]+'
        || '|\bwithout (?:fail|saying|exception|delay|a doubt|question)|\b(?:do|does|did|wo|could|would)(?:n[''’]t| not) (?:matter|mind|care|work)\b|\bnot (?:be )?(?:long|far) (?:before|until|off)'
        || '|\bnot? [^.!?]{0,60}\buntil\b|n[''’]t [^.!?]{0,60}\buntil\b|\bnever (?:forget|know)|n[''’]t (?:forget|fail|fail to)\b|\bis it not\b|,? (?:no|right|isn[''’]t it)\?'
        || '|\b(?:is|are|was|were|do|does|did|has|have|ca|could|wo|would|should)n[''’]t (?:it|he|she|they|we|you|i|there|that|this)\b'
        || '|\bisn[''’]t (?:only|just|it)|\bor (?:no|nothing|not)\b|\bnothing (?:new|is happening|stops)|\bno (?:idea|occupation|time at all)|\bif i[''’]?m not mistaken|\bnot sure\b|\bi dunno'
        || '|\blove lost|\b(?:could|ca)n[''’]t help\b|\bcannot help\b|\bn?[o''’]t? more than\b|\bno (?:difficulty|trouble|mistake|hurry|rush|surprise)\b|\bnext to nothing|\bnone ?the ?less\b|n[''’]t (?:be|stay|take|last|been|known)\b[^.!?]{0,20} long\b|\b(?:ca|could)n[''’]t [^.!?]{1,40} without\b|\bnothing (?:will|can|could|makes|made|stops)\b|\bnever still\b|\(n[''’]t\)|\bdon[''’]t think i[''’]m\b|\bcan[''’]t think of\b|\bfor nothing|\bdon[''’]t make me laugh|\blike nothing\b|\bnot fail to\b|\bnot that\b|\bnot a few|\bnot (?:always|necessarily|every|even)\b|\bno (?:one|body) (?:but|else)',
        '',
        'g'
    );
