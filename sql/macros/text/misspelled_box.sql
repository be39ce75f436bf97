-- A regular expression for a bounding box with Japanese brackets, digits, commas or points, or without its brackets.
create macro misspelled_box() as
    '[［【〔（「]\s*[0-9０-９]+[.．][0-9０-９]+(?:\s*[,，、]\s*[0-9０-９]+[.．][0-9０-９]+)+'
    || '|[\[(]\s*[0-9０-９]+[.．。・][0-9０-９]+(?:\s*[，、]\s*[0-9０-９]+[.．。・][0-9０-９]+)+'
    || '|[\[(]\s*[０-９]+[.．][０-９]+(?:\s*[,，、]\s*[０-９]+[.．][０-９]+)+|\[\s*\d+\.\d+(?:\s*,\s*\d+\.\d+)*\s*[］】）」]|(?:^'
    || '|[^\[(\d.,\s])\s*0\.\d+(?:\s*[,、]\s*0\.\d+){3}\s*(?:[^\]),\d\s]|$)'
    || '|\[\s*\d+\.\d+(?:\s*,\s*\d+\.\d+){3}\s*(?:[^\],\d\s]|$)';
