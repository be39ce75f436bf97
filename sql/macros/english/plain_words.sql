-- A text in lower case without the image token, spaces, punctuation, and the polite or plain end of its sentences.
create macro plain_words(sentence) as
    lower(
        regexp_replace(
            replace(sentence, '<image>', ''),
            '(?:い?ます|い?る|でした|です|である|だ)?(?:[\s\p{Z}\p{P}\p{S}]+|$)',
            '',
            'g'
        )
    );
