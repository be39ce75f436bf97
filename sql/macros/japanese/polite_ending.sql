-- A regular expression for the end of a polite sentence.
create macro polite_ending() as
    '(?:です|ます|でした|ました|ません|でしょう|ましょう|ください)(?:か|ね|よ|よね|が|けど|から)?(?:[。！!]|$)';
