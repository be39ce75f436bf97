-- Whether a list is what remains of another when some of its elements are left out; each element is looked at once.
create macro is_contained(shorter, longer) as
    list_reduce(
        longer,
        lambda matched, letter: matched + (shorter[matched + 1] is not distinct from letter)::integer,
        0
    ) = len(shorter);
