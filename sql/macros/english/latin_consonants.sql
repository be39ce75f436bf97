-- The consonants of an English word as classes of similar sounds: k, s, t, n, p, r. A soft c and g sound like s; an r
-- before another consonant or at the end is not heard.
create macro latin_consonants(word) as
    collapsed_doubles(translate(
        regexp_replace(
            regexp_replace(
                regexp_replace(regexp_replace(lower(word), 'c([eiy])|sc?h|g([ei])', 's', 'g'), 'ck|ch', 'k', 'g'),
                'ph|([ct])h|gh|^h|h([^aeiouy]|$)', '\1\2', 'g'
            ),
            'r+([^aeiouyr]|$)', '\1', 'g'
        ),
        'kcqgxszjtdnmpbfvhlraeiouyw''’',
        'kkkkksssttnnppppprr'
    ));
