-- The consonants of English words as classes of similar sounds: k, s, t, n, p, r; the words keep the blanks between them. A
-- soft c and g sound like s; an r before another consonant or at the end is not heard.
create macro latin_consonants(words) as
    collapsed_doubles(translate(
        regexp_replace(
            regexp_replace(
                regexp_replace(
                    regexp_replace(lower(words), 'c([eiy])|sc?h|g([ei])', 's', 'g'), '([ct])h|gh|h([^aeiouy]|$)|\bh', '\1\2', 'g'
                ),
                'r+([^aeiouyr]|$)', '\1', 'g'
            ),
            'ck', 'k', 'g'
        ),
        'kcqgxszjtdnmpbfvhlraeiouyw''’',
        'kkkkksssttnnppppprr'
    ));
