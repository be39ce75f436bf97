-- A regular expression for a bounding box or a point: two numbers or more in brackets, with commas between them.
create macro box() as
    '[\[({<]\s*-?\d*\.\d+(?:\s*,\s*-?\d*\.\d+)+\s*[\])}>]'  -- fractions
    || '|[\[(]\s*-?\d+(?:\.\d+)?(?:\s*,\s*-?\d+(?:\.\d+)?){3}\s*[\])]'  -- four numbers
    || '|[\[<]\s*\d+(?:\s*,\s*\d+)+\s*[\]>]|\(\d+\s*,\s+\d+\)|\(\d+,(?:\d{1,2}|\d{4,})\)';  -- pixels
