-- A regular expression for an English sentence between Japanese ones: four words or more, one of them a small word that no
-- name or title is made of, from the end of the sentence before it to a full stop or the end of the line.
create macro english_sentence() as
    '(?:^|[。！？.!?\n])[ 　]*[A-Z][A-Za-z''’]*,?(?: [A-Za-z''’-]+,?)*'
    || ' (?:is|are|was|were|has|have|can|with|there|that|which|it|they|his|her|their|and|in|on|to|from)'
    || '(?:,? [A-Za-z0-9''’-]+){2,}(?:[.!?](?:[^A-Za-z0-9]|$)|\s*$|\s*\n)';
