-- One row per benchmark item, repeat and judgement of a model's answer to it.
--
-- fingerprint               varchar    the judgements artifact
-- benchmark                 varchar    name of the benchmark
-- item_id                   varchar    the item
-- category                  varchar    category of the item, if it has one
-- image_category            varchar    category of its image, if it has one
-- repeat                    bigint     how often the answer was judged before, from 0
-- status                    varchar    ok; unreadable, out_of_range, refused, no_reply, no_answer: why there are no scores
-- reason                    varchar    the same in words, null when there are scores
-- reference_score           double     0 to 10 for the reference answer, null without scores or where it is not judged
-- model_score               double     0 to 10, 0 to 5, or 0 or 1 for the model's answer, null without scores
-- official_reference_score  double     what the official parser reads in the first reply, null where it writes -1
-- official_model_score      double     the same for the model's answer
-- parsers_differ            boolean    the official parser reads the reply that counts otherwise
-- replies                   varchar[]  all replies as they came, the last one counts
-- protocol                  varchar    wording and form of the inquiries
-- judge_model               varchar    the judge that was asked
-- served_model              varchar    the judge that replied, as its reply says
-- prompt_sha256             varchar    hash of wording and rules
-- num_input_tokens          bigint     tokens of all inquiries, when they were made for the first time
-- num_output_tokens         bigint     tokens of all replies
select
    split_part(filename, '/', -2) as fingerprint,
    benchmark,
    item_id,
    category,
    image_category,
    repeat,
    status,
    reason,
    reference_score,
    model_score,
    official_reference_score,
    official_model_score,
    parsers_differ,
    replies,
    protocol,
    judge_model,
    served_model,
    prompt_sha256,
    num_input_tokens,
    num_output_tokens
from read_parquet(
    getvariable('store') || '/artifacts/judgements/*/judgements.parquet', filename = true, hive_partitioning = false
);
