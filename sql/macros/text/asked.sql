-- The first sentence of a question, without the image token, a label and the instruction after it.
create macro asked(question) as
    regexp_extract(
        question, '^(?:<image>|[\s　「『"（(]|(?:ご?質問|問い?|設問|Q|ユーザー)\s?[0-9]*\s?(?:[：:．.、]|は)\s?)*([^\n？?。]*)', 1
    );
