-- A Japanese text with its amounts in the plainest form: 2 万 as 2万, 12, 345 as 12,345. Words and names that hold a numeral
-- lose it (六本木, 二度と, 10進), and so does 2、3 where the original says a few or several.
create macro plain_japanese_amounts(sentence, original) as
    regexp_replace(
        case
            when regexp_matches(original, '(?i)\b(?:few|couple|several|some|or (?:two|three|so)|handful)\b')
                then regexp_replace(sentence, '[0-9０-９二三四五六七八十百]+[、，,・〜~～－-][0-9０-９二三四五六七八九十百]+', '', 'g')
            when not regexp_matches(sentence, '[0-9０-９万億兆千百] +[0-9０-９万億兆千百]|[0-9０-９]百万|[0-9０-９][,.] [0-9０-９]') then sentence
            else regexp_replace(
                regexp_replace(regexp_replace(regexp_replace(sentence, '([0-9０-９]) +([万億兆千百])', '\1\2', 'g'), '([万億兆千百]) +([0-9０-９])', '\1\2', 'g'), '([0-9０-９])百万', '\1' || '00万', 'g'), '([0-9０-９])([,.]) ([0-9０-９])', '\1\2\3', 'g'
            )
        end,
        '\b[A-Za-z]+-?[0-9]+|[数何幾][0-9０-９十百千万億兆]+|[0-9０-９十]+進|六本木|二度と|二日酔|三日坊主|十二支|三味線|五輪|七味|一石二鳥|四国|九州|[三四五六八]角|[二三]重|[二三]枚目|十字|千葉|八王子'
        || '|三菱|百貨店|二輪|[三四]輪|二世|四季|万一|五感|二の[次舞足腕]|[四八]方|十八番|二股|三昧|二つ返事|三々五々|二転三転|四捨五入|三日月|百合|千鳥|億劫|十人十色|七転|二者|三者',
        ' ', 'g'
    );
