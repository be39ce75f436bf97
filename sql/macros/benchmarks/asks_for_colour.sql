-- A regular expression for a question that asks for a colour.
create macro asks_for_colour() as
    '(?:何|なに|なん|どんな|どのような|どういう|何の|なんの|どの)(?:色|いろ|カラー)|色(?:は|って|が)?、?(?:何|なに|なん|どんな|どのような|どう|どの)'
    || '|(?:の|る|た)(?:色|カラー)(?:は|って)?[?？。\s]*$|(?:の|る|た)色を(?:教|答|述|説)';
