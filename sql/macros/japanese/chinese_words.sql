-- A regular expression for words that make a text without kana Chinese. Japanese compounds with the same characters
-- (存在, 目的, 完了) have another kanji where Chinese has a word of its own.
create macro chinese_words() as
    '\p{Han}(?:是|在(?:\p{Han}{1,6}(?:上|下|里|裡|裏|中|前|旁|外|内|後|后|面|邊)))|^(?:是|不是|没有|沒有|在\p{Han}{2,8}(?:上|下|里|裡|中|前|旁|面|邊))'
    || '|[他她它你我](?:是|在|的|有|和|很|正|穿|戴|拿|想|要|去|看)|[一二三四五六七八九十两兩幾][只隻個位條张張輛件][^\s]?\p{Han}'
    || '|[看穿坐站走拿戴跑放玩骑騎拍笑挂掛躺抱推握举舉带帶牵牽停写寫画畫开開闭閉睡][着著][^用替席陸手物地火色衣実眼目]|\p{Han}{2,}的\p{Han}{2,}\p{Han}(?:在|是|和|有)|正在\p{Han}{2}|什麼|什么|怎麼|沒有|没有|這|那(?:個|里|裡|是|些)'
    || '|可以\p{Han}|的(?:人|男人|女人|狗|猫|貓|衣服|照片|颜色|顏色|時候|地方)|(?:看|穿|坐|站|吃|走|拿|戴|跑|放|玩|騎|拍|喝)(?:了|着|著|到|在)'
    || '|(?:男|女)(?:人|孩)(?:在|正|和)|和一|有一|是一|了一';
