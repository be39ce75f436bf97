-- Writing that an English text gives without quotes: capitalised words after "a sign that says", "labeled" and the like.
create macro unquoted_writing(sentence) as
    list_transform(
        regexp_extract_all(
            sentence,
            '\b(?:(?i:(?:that|which|signs?|banners?|shirts?|posters?|labels?|bottles?|cans?|box|cover|screen|billboards?'
            || '|plates?|boards?|caps?|hats?|mugs?|stickers?|logos?) (?:says?|saying|reads?|reading)|labell?ed|titled'
            || '|the words?)) ([A-Z][A-Za-z0-9''’&.-]+(?: (?:of|the|and|to|for|&|[A-Z0-9][A-Za-z0-9''’&.-]*))*)',
            1
        ),
        lambda part: rtrim(part, '.,')
    );
