-- A regular expression for a question about where in the picture something is, or which way it looks or goes.
create macro asks_for_position() as
    'どこ(?:に|へ|を|で|から|の(?:方|ほう|辺|あたり|席|上|部分|位置)|ら辺|らへん)|(?:の|もの|人|物|る場所|た場所|位置)は、?どこ'
    || '|(?:どちら|どっち)(?:側|がわ|を|に|へ|の方|のほう|の手|から)|どの(?:位置|部分|辺|あたり|方向|方角|向き|場所|ような位置)'
    || '|(?:位置|方向|向き|方角)は|(?:位置|場所|方向|向き)を(?:教|答|述|説|示)|(?:左右|左と右)の?どちら|どんな(?:位置|方向|場所に)';
