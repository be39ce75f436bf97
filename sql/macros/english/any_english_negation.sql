-- A regular expression for any English word that a Japanese negative can stand for.
create macro any_english_negation() as
    '(?i)\b(?:no|not|never|none|nothing|nobody|nowhere|neither|nor|non[a-z-]*|without|cannot|hardly|barely|rarely|seldom'
    || '|scarcely|unable|few|fewer|little|only|lack[a-z]*|absen[a-z]*|missing|miss(?:ed|es)?|fail[a-z]*|too|bare[a-z]*|empty|blank|yet'
    || '|except|prevent[a-z]*|avoid[a-z]*|refus[a-z]*|stop[a-z]*|less|free|difficult[a-z]*|hard|before|until|instead|rather'
    || '|vacant|alone|[a-z]+less(?:ly|ness)?|[a-z]+free|off|mess[a-z]*|dirty|clutter[a-z]*|broken|beyond|den(?:y|ie[sd])|ban(?:s|ned)?'
    || '|prohibit[a-z]*|forbid[a-z]*|conceal[a-z]*|hid(?:e|es|den|ing)|invisible|obscur[a-z]*|despite|regardless|apart'
    || '|remain[a-z]*|still|idle|gone|ke(?:ep|eps|pt) [^.]{0,40}(?:from|away|out)|away|stay[a-z]*|forg[eo]t[a-z]*|out of|los[ets]+|losing|ignor[a-z]*|reluctan[a-z]*|hesita[a-z]*'
    || '|far from|anything but|same|other(?: than|wise)?|or else|short(?:age)?|poor|easy|must|have to|had to|has to|need(?:s|ed)? to|should|ought|afraid|fear|worr[a-z]*|doubt[a-z]*|mistak[a-z]*|wrong'
    || '|unless|against|exce(?:ed|pt|ss)[a-z]*|mere(?:ly)?|wonder[a-z]*|idea|loss|care(?:ful)?|sure|may|might|perhaps|maybe|probably'
    || '|as\b[^.]{1,30}\bas|unusual|rare|strange|secret|mute|silent|quiet|calm|harmless|give up|gave up|quit|reject[a-z]*|disagree|oppos[a-z]*'
    || '|last|elude[sd]?|above|insane|insanity|crazy|stranger|lethargic|slow|hedg[a-z]*|flat|more than|clear of|new to|worst|incomparable|cold day|satisfied|happy|fine|foreign|hate[sd]?|detest[a-z]*|sick of|numb|loose|crooked|sleepless|anonymous|exceptional|determined|mystery|mysterious|odd|weird|awkward|bored?|tired|blind|deaf|all right|willing|mind|problem[a-z]*|trouble|suspic[a-z]*|run(?:ning)? (?:out|short)'
    || '|un(?:[abcefghjklmopqrsvwxyz][a-z]{2,}|d(?:o|r|e[cfnstv]|eli|ema)[a-z]*|t(?:o|r|a|e|id|ie|im)[a-z]*|i(?:nt|nf|ns|mp|de)[a-z]+)'
    || '|in(?:cap|cor|dep|ex|suf|eff|act|vis|sec|aud|cons|tol|just)[a-z]*|im(?:poss|perf|mob|mat|pat|pol|prop)[a-z]*|il(?:leg|log)[a-z]*'
    || '|ir(?:reg|rel|res)[a-z]*|dis(?:ab|agr|app|cont|conn|cour|hon|lik|ord|reg|sat|resp|tru|loy|adv|mis|pos|int)[a-z]*)\b'
    || '|n[''’]t\b|\?';
