-- A regular expression for a number in an English text: digits, or words ("twenty-five", "two hundred and six",
-- "third", "quarter to four", which is the hour 3).
create macro english_number() as
    '(?i:\bquarter to (?:two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|[0-9]{1,2}))\b|[0-9]+(?:,[0-9]{3})*(?:\.[0-9]+)?(?:[ -](?:hundred|thousand|million|billion|trillion)\b)*|(?i:\b(?:one[ -](?:hundred'
    || '|thousand|million|billion)|(?:twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety)(?:[ -](?:one|two|three'
    || '|four|five|six|seven|eight|nine))?|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen'
    || '|fourteen|fifteen|sixteen|seventeen|eighteen|nineteen|hundred|thousand|million|billion|third|fourth|fifth'
    || '|sixth|seventh|eighth|ninth|tenth)(?:[ -](?:hundred|thousand|million|billion) and [a-z]+(?:-[a-z]+)?'
    || '|[ -](?:hundred|thousand|million|billion))*\b)';
