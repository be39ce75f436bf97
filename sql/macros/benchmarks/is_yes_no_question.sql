-- Whether a question is answered by yes or no: it has no question word, and no second alternative.
create macro is_yes_no_question(question) as
    regexp_matches(question, '(?:か|かな|の|よね)[?？。.\s]*$')
    and not regexp_matches(
        regexp_replace(question, '(?:何|なに|誰|だれ|どこ|いつ|どれ|いくつ)か(?:い|人|居|あ|有|が|を|の|に|、|持|乗|置|着|飾|付|つ|映|写|見え|し|座|立|寝|歩|食|描|書|他|乗)', '', 'g'),
        '何|なに|なん(?:です|でし|と|の|て|で|か)|どこ|どれ|どの|どんな|どちら|どっち|どなた|誰|だれ|いつ|いくつ|いくら|なぜ|どう|どのよう|幾|いかが'
    )
    and not regexp_matches(question, '(?:ですか|ますか|でしょうか|か、)(?:それとも|[^、。?？]{1,12}(?:です|ます|でしょう)?か)[?？。\s]*$');
