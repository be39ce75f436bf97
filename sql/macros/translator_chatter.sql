-- A regular expression for words about the translation itself: an announcement, a label, a note, an offer of changes.
create macro translator_chatter() as
    '(?i)(?:以下|上記|こちら|下記|次|これ)(?:は|が|に|の通り|のとおり)[^。\n]{0,20}?(?:翻訳|和訳|日本語訳|訳文|邦訳)'
    || '|(?:翻訳|和訳|日本語訳|訳文|訳|対訳|Translation|Japanese(?: translation)?|Translated text)\s*[】\])]?\s*[:：]'
    || '|[【\[(（](?:翻訳|和訳|日本語訳|訳文)[】\])）]|[(（\[【※*]\s*(?:訳者?注|翻訳者?注|注[:：]|訳者より|編集注)'
    || '|(?:英語|原文|英文|元の文章?|テキスト|ご?指定の文章?)(?:から|を)[^。\n]{0,12}(?:翻訳|和訳|日本語に訳|訳し)'
    || '|日本語(?:に|へ|で)(?:の)?(?:翻訳|訳す|訳し|訳せ)|(?:翻訳|和訳|訳文)(?:いたし|致し|し)(?:ます|ました|てい)'
    || '|(?:翻訳|和訳|訳文|訳)(?:結果)?(?:は(?:以下|次|下記|こちら)|です[。：:]|を(?:以下|示|提供|提示|お届|作成))'
    || '|直訳(?:する|です)|意訳(?:しま|すると|です)|原文(?:では|に(?:は|忠実)|のまま|の(?:意味|ニュアンス|意図))'
    || '|(?:here(?:''s| is| are)|below is|this is|sure|certainly)[^。.\n]{0,40}\b(?:translat|japanese)'
    || '|\b(?:the|my) (?:japanese )?translation\b|\btranslat(?:ed|ion|ing)\b[^。.\n]{0,20}\bjapanese\b'
    || '|\btranslator''?s? notes?\b|\bnote:|他に(?:も)?(?:翻訳|訳)|翻訳(?:が必要|のご依頼|をご希望|について|に関)';
