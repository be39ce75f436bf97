-- A regular expression for a capitalised word in the middle of an English sentence, without another one after it.
create macro lone_name() as '[a-z),;] [A-Z][a-z]{3,}(?:[ ''’][a-z(0-9]|[.,;:!?)]|\s*$)';
