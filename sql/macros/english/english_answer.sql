-- A regular expression for an English sentence or caption that is no title: it ends in a full stop or begins in lower
-- case.
create macro english_answer() as
    '^(?:The|An?|It|There|This|That|These|He|She|They|We|I|You|In|On|Two|Three|Some'
    || '|[0-9]+)\b.* [a-z].*[.!?]["''”’)]*\s*$|^[a-z]+(?: [A-Za-z-]+){2,}';
