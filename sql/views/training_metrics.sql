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
-- num_samples            bigint   samples of the global batch; null where it was not kept yet, as the two below
-- num_padded_tokens      bigint   tokens that were computed, padding included
-- model_flops            double   operations that the result needs, as docs/training_speed.md counts them
select
    split_part(filename, '/', -2) as fingerprint,
    split_part(filename, '/', -3) as stage,
    optimizer_step,
    loss,
    learning_rate,
    gradient_norm,
    num_supervised_tokens,
    num_tokens,
    num_samples,
    num_padded_tokens,
    model_flops
from read_parquet(
    getvariable('store') || '/artifacts/*/*/metrics.parquet',
    filename = true,
    hive_partitioning = false,
    union_by_name = true
);
