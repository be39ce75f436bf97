-- One row per artifact that another artifact consists of, such as the shards of an artifact of features.
--
-- fingerprint       varchar  the artifact
-- step              varchar  the step that made it
-- part_step         varchar  the step that makes the part
-- part_fingerprint  varchar  the part
-- is_lost           boolean  the part is not in the store any more; the next run of the experiment makes it again
with named as (
    select fingerprint, step, unnest(from_json(summary->'parts', '["varchar"]')) as part
    from manifests
),
parts as (
    select fingerprint, step, split_part(part, '/', 1) as part_step, split_part(part, '/', 2) as part_fingerprint
    from named
)
select parts.*, manifests.fingerprint is null as is_lost
from parts
left join manifests on manifests.step = parts.part_step and manifests.fingerprint = parts.part_fingerprint;
