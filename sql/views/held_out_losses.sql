-- One row per look of a training stage at the samples that it does not train on.
--
-- fingerprint            varchar  the artifact of the stage
-- stage                  varchar  pretrain or finetune
-- optimizer_step         bigint   optimizer steps done by then; 0 is before the first
-- held_out_loss          double   mean over the supervised tokens of the held-out samples
-- num_supervised_tokens  bigint   tokens the loss is taken over
select
    split_part(filename, '/', -2) as fingerprint,
    split_part(filename, '/', -3) as stage,
    optimizer_step,
    held_out_loss,
    num_supervised_tokens
from read_parquet(
    getvariable('store') || '/artifacts/*/*/held_out.parquet', filename = true, hive_partitioning = false
);
