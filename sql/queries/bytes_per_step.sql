-- One row per step: what its artifacts take on the disk and how long they took to make.
--
-- $experiment  experiment  only the artifacts of this experiment and their parts, such as shards (default none)
--
-- step           name of the step
-- num_artifacts  published artifacts
-- num_files      their files
-- num_bytes      their size
-- gigabytes      their size in units of 10^9 bytes
-- num_seconds    time spent on them, without interrupted calls
-- last_made      when the newest was published, UTC
with chosen as (
    select fingerprint from experiment_steps where experiment = $experiment
),
parts as (
    select part_fingerprint as fingerprint from artifact_parts where fingerprint in (select fingerprint from chosen)
)
select
    step,
    count(*) as num_artifacts,
    sum(num_files)::bigint as num_files,
    sum(num_bytes)::bigint as num_bytes,
    round(sum(num_bytes) / 1e9, 3) as gigabytes,
    sum(duration_seconds) as num_seconds,
    max(created_at) as last_made
from manifests
where $experiment is null
    or fingerprint in (select fingerprint from chosen)
    or fingerprint in (select fingerprint from parts)
group by step
order by num_bytes desc, step;
