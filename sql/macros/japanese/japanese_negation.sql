-- A regular expression for a text whose first sentence ends in the negative.
create macro japanese_negation() as
    '^[^。！？!?\n]*(?:ません|ませんでした|(?:て|で|では|じゃ|は|が|も|に|か|ら|れ|え|け|せ|べ|め|わ|さ|た|ま|ば|き|[てで]い)ない|なかった|無い)'
    || '(?:です|でした|よう|ようです|と思います|みたいです|ね|よ|の|んです|のです)*(?:[。！？!?\n]|$)';
