-- A regular expression for what stands between quotation marks.
create macro quotation() as '「[^「」]*」|『[^『』]*』|“[^“”]*”|"[^"\n]*"|《[^》]*》|〈[^〉]*〉|＂[^＂]*＂';
