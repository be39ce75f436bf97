-- Whether a text is what remains of another when some of its letters are left out; each letter is looked at once.
create macro is_contained(shorter, longer) as
    list_reduce(
        string_split(longer, ''),
        lambda matched, letter: matched + (substring(shorter, matched + 1, 1) = letter)::integer,
        0
    ) >= length(shorter);
