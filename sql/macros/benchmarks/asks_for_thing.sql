-- A regular expression for a question about what something is, or which things there are.
create macro asks_for_thing() as
    '何|なに|なん(?:です|でし|と|の|て|で|か|だ|[?？。\s]*$)|どんな|どのような|どういう|どういった|どの様な|どれ(?:です|でしょ|が|を|で|に|か|[?？。\s]*$)|どの|どちら|名前|名称|呼ばれ|種類|品種';
