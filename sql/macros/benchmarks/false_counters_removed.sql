-- A question without words in which "what" stands before a verb that looks like a counter: what is worn, what is done.
create macro false_counters_removed(question) as
    regexp_replace(question, 'いくつか(?:い|あ|見|写|うつ|映|置|の|、)|何(?:着て|着る|着用|足し|組んで|名前|本当|個人|台の上|こと|という|こう|体験)', '', 'g');
