-- Whether the last line of a text is one of a list whose lines have no full stops.
create macro is_list(sentence) as
    regexp_matches(regexp_extract(sentence, '[^\n]*$'), '^\s*(?:[-*・•●○◆■※]|[0-9０-９]+[.)．）:])|[:：]')
    and not contains(sentence, E'。\n');
