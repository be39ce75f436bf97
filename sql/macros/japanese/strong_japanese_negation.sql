-- A regular expression for a Japanese verb, adjective or noun in the negative.
create macro strong_japanese_negation() as 'ません|ない|なかった|なくな|なくて|ではなく|[^わまはいほ]ずに|無い';
