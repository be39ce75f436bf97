-- One row per answer that a model gave, while it trained, to a question it does not train on.
--
-- fingerprint     varchar  the artifact of the stage
-- stage           varchar  pretrain or finetune
-- optimizer_step  bigint   optimizer steps done by then; 0 is before the first
-- sample_id       varchar  the held-out sample whose first question it is
-- image_sha256    varchar  the image asked about; null: none
-- question        varchar  the user's message
-- reference       varchar  the sample's own answer
-- answer          varchar  the model's answer
select
    split_part(filename, '/', -2) as fingerprint,
    split_part(filename, '/', -3) as stage,
    optimizer_step,
    sample_id,
    image_sha256,
    question,
    reference,
    answer
from read_parquet(
    getvariable('store') || '/artifacts/*/*/held_out_answers.parquet', filename = true, hive_partitioning = false
);
