-- A regular expression for a question about who somebody is: a name, a sex, a kind of person.
create macro asks_for_person() as
    '誰|だれ|どなた|性別|(?:どんな|どのような|どういう)(?:人|男|女|子供|子ども|人物)(?:たち|達|々|性|の人|の子)*(?:が|は|です|で|を|[?？。\s]*$)|作者|作家は|何者|職業';
