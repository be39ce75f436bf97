-- A regular expression for an English sentence between Japanese ones: five words or more, one of them a small word that
-- no name or title is made of, from the end of the sentence before it to its full stop.
create macro english_sentence() as
    '(?:^|[。！？.!?\n])[ 　]*[A-Z][A-Za-z''’]*,?(?: [A-Za-z0-9''’-]+,?)*'
    || ' (?:is|are|was|were|has|have|can|there|that|which|it|they|his|her|their|its|and|in|on|with|to|from|of|a|an|the|under|at|by|for|as|while|into|over)'
    || '(?:,? [A-Za-z0-9''’-]+){2,}[.!?](?:[^A-Za-z0-9]|$)';
