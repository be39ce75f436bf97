-- A regular expression that every English answer with a choice letter matches.
create macro lettered_answer() as
    '^\s*[(\[]?[A-J](?:[).:\]]|\s*$)|(?i:answer|option|choice)(?i: is)?:?\s*(?i:option |choice )?[(\[]?[A-J]\b';
