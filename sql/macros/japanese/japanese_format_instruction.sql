-- A regular expression for a Japanese instruction on the form of the answer, up to its full stop or colon.
create macro japanese_format_instruction() as
    '[^。\n？?<>]*(?:単語|フレーズ|一語|１語|1語|語句|選択肢|記号|文字|短い|簡潔|簡単に|一言|ひとこと|手短|短く|一文|１文|1文|座標|バウンディング|はい|キャプション|直接|領域)'
    || '[^。\n？?<>:：]*(?:答え|回答|解答|応答|返答|示し|示せ|説明|述べ|書[いけ]|提供|記述|作成|付け|使[いっ]|用い|選[びんべ]|教え|お願い|ください|下さい)'
    || '[^。\n？?<>:：\[]*';
