-- One row per benchmark item and model that answered it.
--
-- fingerprint   varchar  the predictions artifact
-- benchmark     varchar  name of the benchmark
-- item_id       varchar  unique in its benchmark
-- category      varchar  category of the item, if it has one
-- question      varchar  what was asked
-- reference     varchar  the expected answer
-- prediction    varchar  the model's answer, null when there is none
-- image_sha256  varchar  hash of the image's bytes
-- error         varchar  why there is no answer
select
    split_part(filename, '/', -2) as fingerprint,
    benchmark,
    item_id,
    category,
    question,
    reference,
    prediction,
    image_sha256,
    error
from read_parquet(
    getvariable('store') || '/artifacts/predictions/*/predictions.parquet', filename = true, hive_partitioning = false
);
