-- A regular expression for a question about what somebody or something does.
create macro asks_for_action() as
    '(?:何|なに)を?(?:して|行って|行なって|やって|している|する(?:ところ|所)|しよう)|(?:どう|どのように)して(?:い|る)'
    || '|(?:どんな|どのような|どういう|何の)(?:こと|事|動作|行動|行為|ポーズ|姿勢|遊び|作業|仕事|スポーツ|競技|運動|指示)を';
