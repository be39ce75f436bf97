-- A regular expression for a verb in the negative, whose translation must be in the negative too.
create macro plain_english_negation() as
    '(?i)\bcannot\b|\b(?:is|are|was|were|does|do|did|has|have|can|will)(?:\s+not\b(?:\s+(?:only|just|sure|clear))?|n[''’]t)'
    || '|\bthere (?:is|are) no\b';
