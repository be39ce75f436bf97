-- A regular expression for any English word that a Japanese negative can stand for.
create macro any_english_negation() as
    '(?i)\b(?:no|not|never|none|nothing|nobody|nowhere|neither|nor|without|cannot|hardly|barely|rarely|unable|few'
    || '|little|only|un[a-z]{3,}|in[a-z]{4,}|im[a-z]{4,}|dis[a-z]{3,}|non[a-z-]+|lack[a-z]*|absen[a-z]*|missing'
    || '|fail[a-z]*|must|should|may|might|could|need|have to|has to|possibl[a-z]*|likely|too|bare[a-z]*|empty|blank'
    || '|still|yet|except|but|prevent[a-z]*|avoid[a-z]*|impossible|refus[a-z]*|stop[a-z]*|less|free|difficult|hard'
    || '|before|until|unless|instead|rather|vacant|alone|[a-z]+less|clos[a-z]*|off|mess[a-z]*|dirty|cloudy'
    || '|clutter[a-z]*|broken|cannot|beyond)\b|n[''’]t\b';
