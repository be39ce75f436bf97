-- A regular expression for an HTML tag of running text.
create macro html_tag() as
    '(?i)</?(?:br|p|b|i|u|em|strong|small|div|span|font|center|h[1-6]|li|ul|ol|a|table|tr|td|sup|sub|ruby|rt|hr)(?:\s[^<>]*)?/?>';
