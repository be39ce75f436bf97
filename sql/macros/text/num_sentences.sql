-- How many sentences a text has, in either language.
create macro num_sentences(sentence) as len(regexp_extract_all(sentence, '[。！？]+|[^.\s][.!?]+["''”’)]*(?:\s|$)|\n+'));
