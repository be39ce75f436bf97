-- A regular expression for a Japanese text that breaks off: after a comma, a particle or half of an ending.
create macro ends_in_mid_sentence() as
    '(?:[、，,：:・（「『【\[(〜ー…]?(?:[をへ、，・（「『【]|.{12}(?:[はがにとの]|[てで]|ので|から|けど|ながら|および|また|そして|には|では|とは))'
    || '|[てで]い|[いりきしちにみびぎえけせてねめれべげ]ま|まし|でし|ませ|てお|され|られ|してい|であ|のよ|よう|ことが?|ため|という)$';
