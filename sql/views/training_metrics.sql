-- One row per optimizer step of a training stage.
--
-- fingerprint            varchar  the artifact of the stage
-- stage                  varchar  pretrain or finetune
-- optimizer_step         bigint   counted from 1
-- loss                   double   mean over the supervised tokens
-- learning_rate          double   rate of this optimizer step
-- gradient_norm          double   before clipping
-- num_supervised_tokens  bigint   tokens the loss is taken over
-- num_tokens             bigint   all tokens, vision tokens included
select
    split_part(filename, '/', -2) as fingerprint,
    split_part(filename, '/', -3) as stage,
    optimizer_step,
    loss,
    learning_rate,
    gradient_norm,
    num_supervised_tokens,
    num_tokens
from read_parquet(
    getvariable('store') || '/artifacts/*/*/metrics.parquet', filename = true, hive_partitioning = false
);
