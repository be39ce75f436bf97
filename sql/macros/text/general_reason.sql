-- A reason without what differs between images: the file is FILE, a number is N.
create macro general_reason(reason, file) as
    regexp_replace(if(file is null, reason, replace(reason, file, 'FILE')), '[0-9]+', 'N', 'g');
