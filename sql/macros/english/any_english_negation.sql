-- A regular expression for any English word that a Japanese negative can stand for.
create macro any_english_negation() as
    '(?i)\b(?:no|not|never|none|nothing|nobody|nowhere|neither|nor|non[a-z-]*|without|cannot|hardly|barely|rarely|seldom'
    || '|scarcely|unable|few|fewer|little|only|lack[a-z]*|absen[a-z]*|missing|fail[a-z]*|too|bare[a-z]*|empty|blank|yet'
    || '|except|prevent[a-z]*|avoid[a-z]*|refus[a-z]*|stop[a-z]*|less|free|difficult[a-z]*|hard|before|until|instead|rather'
    || '|vacant|alone|[a-z]+less|clos[a-z]*|off|mess[a-z]*|dirty|cloudy|clutter[a-z]*|broken|beyond|den(?:y|ie[sd])|ban(?:s|ned)?'
    || '|prohibit[a-z]*|forbid[a-z]*|conceal[a-z]*|hid(?:e|es|den|ing)|invisible|obscur[a-z]*|despite|regardless|apart'
    || '|un(?:[abcefghjklmopqrsvwxyz][a-z]{2,}|d(?:o|r|e[cfnstv]|eli|ema)[a-z]*|t(?:o|r|a|e|id|ie|im)[a-z]*|i(?:nt|nf|ns|mp|de)[a-z]+)'
    || '|in(?:[a-z]+(?:ble|ent|ect|ive|ate|ure|ant|tic|end|lse))|im(?:poss|perf|mob|mat|pat|pol|prop)[a-z]*|il(?:leg|log)[a-z]*'
    || '|ir(?:reg|rel|res)[a-z]*|dis(?:ab|agr|app|cont|conn|cour|hon|lik|ord|reg|sat|resp|tru|loy|adv|mis|pos|int)[a-z]*)\b'
    || '|n[''’]t\b';
