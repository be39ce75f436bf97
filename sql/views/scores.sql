-- One row per answered benchmark item and metric.
--
-- fingerprint     varchar  the scores artifact
-- benchmark       varchar  name of the benchmark
-- protocol        varchar  which questions of it were asked
-- item_id         varchar  the item
-- category        varchar  category of the item, if it has one
-- image_category  varchar  category of its image, if it has one
-- question_type   varchar  what it asks for: counting, colour, position, ...; see the macro question_type
-- answer_length   varchar  length of the expected answer in characters: 01-05, 06-15, 16-40, 41+
-- image_sha256    varchar  hash of the first image's bytes; items on one image are no independent observations
-- metric          varchar  name of the metric
-- value           double   0 to 100
select
    split_part(filename, '/', -2) as fingerprint,
    benchmark,
    protocol,
    item_id,
    category,
    image_category,
    question_type,
    answer_length,
    image_sha256,
    metric,
    value
from read_parquet(
    getvariable('store') || '/artifacts/scores/*/scores.parquet',
    filename = true,
    hive_partitioning = false,
    union_by_name = true
);
