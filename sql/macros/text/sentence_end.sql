-- A regular expression for a text whose last character ends a sentence, a quotation, a bracket, a list or a program.
create macro sentence_end() as '[。．.!?！？」』）)\]】}>”"’''`…~〜♪;:：*_|／/\p{So}][\s\p{Z}]*$';
