-- Beginnings of words (left|port |*man ) as what to look for in a text of spaced_words: a blank before the beginning,
-- unless any may stand there.
create macro beginnings_of_words(sources) as
    list_transform(
        list_filter(string_split(sources, '|'), lambda one: one <> ''),
        lambda one: case when starts_with(one, '*') then substring(one, 2) else ' ' || one end
    );
