-- A regular expression for an English answer that begins with no. "No parking" and "No one" are other words.
create macro english_no() as
    '(?i)^\W*(?:no|nope|nah|false|incorrect|wrong|negative|not really|definitely not|absolutely not|certainly not'
    || '|not at all)(?:[.,;:!—-]|\s*$|\s+(?:there|it|he|she|they|the|this|that|these|those|we|you|i|not)\b)';
