-- A regular expression for a Japanese verb or adjective in the negative at the end of a sentence.
create macro final_japanese_negation() as
    '(?:ません|ませんでした|[^かにはしきさちり]ない|[^きさり]なかった|ではない|ではありません)(?:です|でした|よう|ようです)?(?:。|$)';
