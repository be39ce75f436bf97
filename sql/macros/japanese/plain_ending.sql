-- A regular expression for the end of a plain sentence with a full stop, or of a text. No polite ending matches.
create macro plain_ending() as
    '(?:(?:[^しまさい]|[^ま]い|[^でまで]し|^し|[^ま]さ)た|[^でま]した|[ぁ-ん一-鿿]る|[^まんた]だ|[^はさ]い|んだ|[^でま\x00-\x7F]す|だろう'
    || '|[むぐぶぬ]|[わ-んか-こ一-鿿]う|[一-鿿][くつう])。|(?:る|[^しで]た|[^んま]だ|んだ|ない)(?:よ|ね|ぞ|ぜ|さ|わ|な|よね|よな|かな)[。！]|(?:ている|である|だった)$';
