-- One row per answered benchmark item and metric.
--
-- fingerprint  varchar  the scores artifact
-- benchmark    varchar  name of the benchmark
-- item_id      varchar  the item
-- category     varchar  category of the item, if it has one
-- metric       varchar  name of the metric
-- value        double   0 to 100
select split_part(filename, '/', -2) as fingerprint, benchmark, item_id, category, metric, value
from read_parquet(
    getvariable('store') || '/artifacts/scores/*/scores.parquet', filename = true, hive_partitioning = false
);
