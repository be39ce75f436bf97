-- A regular expression for an English question that is answered with yes or no.
create macro english_yes_no_question() as
    '(?i)(?:^|[\n>.,]\s*)(?:is|are|was|were|do|does|did|can|could|has|have|had|will|would|should)\b[^?]*\?';
