-- A regular expression that every English text with a number matches, and few others.
create macro english_numeral() as
    '[0-9]|(?i:two|three|four|five|six|seven|eight|nine|\bten\b|third|fifth|ninth|tenth|eleven|twelve|twenty|thirty'
    || '|forty|fifty|hundred|thousand|million|billion)';
