-- A regular expression for characters that no text needs: controls, surrogates' replacements, invisible marks of
-- direction, private use, and what is left of an escape sequence.
create macro control_characters() as
    '[\x00-\x08\x0B\x0C\x0E-\x1F\x7F-\x{9F}\x{FFF9}-\x{FFFD}]'
    || '|[\x{202A}-\x{202E}\x{2066}-\x{2069}\x{E000}-\x{F8FF}\x{FEFF}\x{200B}\x{200E}\x{200F}\x{2060}]'
    || '|\\u[0-9a-fA-F]{4}|\\x[0-9a-fA-F]{2}|\[[0-9;]{1,5}m|<0x[0-9A-F]{2}>|(?:%[89A-F][0-9A-F]){3}';
