-- A regular expression for a question that is answered by more than a name: a reason, an account, an opinion.
create macro asks_to_explain() as
    'なぜ|何故|どうして(?:です|でしょ|か|[?？。]|$)|理由|説明|論じ|述べ|詳しく|違い|役割|意味|目的|ため(?:の|に)|感想|思いますか|意図|伝え|工夫|面白い|おとぎ話|テーマ|気をつけ|注意';
