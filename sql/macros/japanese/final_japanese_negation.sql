-- A regular expression for a Japanese verb or adjective in the negative at the end of a sentence.
create macro final_japanese_negation() as
    '(?:ません|ませんでした|[^かにはしきりつさ]ない|[^きさり]なかった|して(?:い)?ない|ではない|ではありません|じゃない)(?:です|でした|よう|ようです)?(?:。|$)';
