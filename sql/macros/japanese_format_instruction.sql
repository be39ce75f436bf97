-- A regular expression for a Japanese instruction on the form of the answer, the last sentence of a question.
create macro japanese_format_instruction() as
    '[^。\n？?]*(?:単語|フレーズ|一語|１語|1語|語句|選択肢|記号|文字|短い|簡潔|手短|短く|一文|１文|1文|座標|バウンディング|はい|キャプション|直接)'
    || '[^。\n？?]*(?:答え|回答|解答|応答|返答|示し|説明し|述べ|書い|提供し|記述し|作成し|付け|使[いっ]|用い|選[びん]|教え)[^。\n？?]*[。]?\s*$';
