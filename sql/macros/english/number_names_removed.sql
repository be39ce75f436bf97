-- An English text without the names and idioms that hold a number: COVID-19, F-16, 24/7, third party.
create macro number_names_removed(sentence) as
    regexp_replace(
        sentence,
        '(?i)covid-? ?19|\bN(?:o|umber)\.? ?10\b|https?://\S+|[@#]\w+|\[?\b[A-Za-z]+-?[0-9]+[A-Za-z0-9]*\]?|\b24/7\b|(?:7|seven) days a week|third[- ]part(?:y|ies)|second[- ]?hand'
        || '|\ba (?:thousand|million|hundred) (?:thanks|times|things)|ten to one|two and two together|eight ball|cloud nine|(?:on|at) sixes|all fours|times out of ten|forty winks|second to none|bi?llion-dollar',
        ' ', 'g'
    );
