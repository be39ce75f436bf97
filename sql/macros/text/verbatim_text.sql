-- A regular expression for what no translation changes: addresses, code between backticks, identifiers and file names.
create macro verbatim_text() as
    '```[A-Za-z]+|/(?:usr|etc|home|var|opt|bin|tmp|root|dev|mnt|Users)/[A-Za-z0-9._/-]+|https?://[!#-;=?-~]+'
    || '|\bwww\.[!-~]+|[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+|`[^`\n]{1,60}`'
    || '|\b[A-Za-z0-9_-]+\.(?:py|js|ts|html?|css|json|xml|ya?ml|csv|tsv|txt|md|jpe?g|png|gif|pdf|docx?|xlsx?|zip'
    || '|mp[34]|exe|sh|sql|java|cpp)\b|\b[A-Za-z0-9-]+\.(?:com|org|net|edu|gov|io|co|info|biz|tv|jp|uk|de'
    || '|fr)\b(?:/[!-~]*)?|\b[A-Za-z][A-Za-z0-9]*(?:_[A-Za-z0-9]+)+\b|\b[a-z_][A-Za-z0-9_.]*\(\)'
    || '|\b[a-z]+[A-Z][a-z]+[A-Z][A-Za-z]*\b|\b(?:Num|Sci|Tensor|Py|Java|Type|Post|Git|Open|Word|Stack|Linked|Power'
    || '|Micro|Big|My|No)[A-Z][A-Za-z]+\b';
