-- A regular expression for an address that was broken on the way: spaces, full-width characters or Japanese inside.
create macro broken_link() as
    '(?i)https?(?:：|:\s+/|:/\s|:／|:。|\s:)|https?://(?:\s|[\p{Hiragana}\p{Katakana}\p{Han}「（]|$)|ｈｔｔｐ|\bhtp+s?://'
    || '|\bhttps?:/[A-Za-z]|\bhttps?//|\bwww(?:。|．|\s\.|\.\s)|[A-Za-z0-9]＠[A-Za-z0-9]'
    || '|[A-Za-z0-9]\s?@\s[A-Za-z0-9-]+\.[a-z]|\b[A-Za-z0-9-]+(?:。|．)(?:com|org|net)\b|エイチティーティーピー|ドットコム';
