-- One row per finding: a problem of one record, seen when it was read, by a translation check, or in training.
--
-- fingerprint          varchar  the artifact that holds the finding
-- step                 varchar  dataset (unreadable), translation, pretrain or finetune (left out of training, or cut)
-- dataset_fingerprint  varchar  the dataset of the record: what samples and turns call fingerprint
-- check                varchar  name of the check
-- severity             varchar  reject, drop (its exchange is left out, the rest of the sample accepted) or warn
-- sample_id            varchar  the sample, null when the record has none
-- record_index         bigint   position in the source, from 0
-- turn_index           bigint   the turn, from 0; null when it is the whole conversation
-- evidence             varchar  what was seen
with found as (
    select split_part(filename, '/', -2) as fingerprint, split_part(filename, '/', -3) as step, *
    from read_parquet(
        getvariable('store') || '/artifacts/*/*/findings.parquet', filename = true, hive_partitioning = false
    )
)
select
    found.fingerprint,
    found.step,
    coalesce(manifests.inputs['dataset'], found.fingerprint) as dataset_fingerprint,
    found."check",
    found.severity,
    found.sample_id,
    found.record_index,
    found.turn_index,
    found.evidence
from found
left join manifests using (step, fingerprint);
