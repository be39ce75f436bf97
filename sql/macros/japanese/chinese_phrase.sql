-- A regular expression for words that are Chinese wherever they stand, beside kana too.
create macro chinese_phrase() as
    '很\p{Han}|[一两三几每]个|漂亮|[我你他她它]們|這[個些裡種張是只隻位邊樣]|那些|[兩两]\p{Han}|還有|還是|什麼|怎麼|為什麼|沒有|可以看|看起來|許多\p{Han}|停著|穿著|戴著'
    || '|坐著|站著|拿著|走著|正在\p{Han}|有一[個隻位條張輛]|一[隻輛][^\s]{0,3}在|的東西|\p{Han}裡有';
