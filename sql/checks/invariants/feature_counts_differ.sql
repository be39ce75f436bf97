-- One row per count in the manifest of features, or of a shard, that the files contradict.
--
-- step         features or feature_shard
-- fingerprint  the artifact
-- count        what is counted, as the manifest's summary names it
-- expected     the number that the manifest gives
-- found        the number that the files give
with listed as (
    select
        fingerprint,
        count(*) filter (status <> 'failed') as num_images,
        count(*) filter (status = 'failed') as num_failed,
        count(distinct shard) as num_shards
    from feature_images
    group by fingerprint
),
parts as (
    select
        artifact_parts.fingerprint,
        count(*) as num_shards,
        if(bool_or(artifact_parts.is_lost), null, sum(feature_shards.payload_bytes)) as payload_bytes
    from artifact_parts
    left join feature_shards on feature_shards.fingerprint = artifact_parts.part_fingerprint
    group by artifact_parts.fingerprint
),
indexed as (
    select
        fingerprint,
        count(*) filter (status = 'ok') as num_images,
        count(*) filter (status = 'failed') as num_failed,
        sum(payload_bytes) as payload_bytes
    from cached_features
    group by fingerprint
),
found as (
    select
        manifests.step,
        manifests.fingerprint,
        manifests.summary,
        unnest([
            {'count': 'num_images', 'found': coalesce(listed.num_images, 0)},
            {'count': 'num_failed', 'found': coalesce(listed.num_failed, 0)},
            {'count': 'num_shards', 'found': coalesce(listed.num_shards, 0)},
            {'count': 'num_shards', 'found': coalesce(parts.num_shards, 0)},
            {'count': 'payload_bytes', 'found': if(parts.fingerprint is null, 0, parts.payload_bytes)}
        ]) as counted
    from manifests
    left join listed using (fingerprint)
    left join parts using (fingerprint)
    where manifests.step = 'features' and manifests.version > 1 -- the first version kept its features in other files
    union all
    select
        manifests.step,
        manifests.fingerprint,
        manifests.summary,
        unnest([
            {'count': 'num_images', 'found': coalesce(indexed.num_images, 0)},
            {'count': 'num_failed', 'found': coalesce(indexed.num_failed, 0)},
            {'count': 'payload_bytes', 'found': coalesce(indexed.payload_bytes, 0)}
        ])
    from manifests
    left join indexed using (fingerprint)
    where manifests.step = 'feature_shard'
)
select distinct
    step,
    fingerprint,
    counted."count" as "count",
    (summary->>counted."count")::bigint as expected,
    counted.found::bigint as found
from found
where counted.found is not null and expected is distinct from counted.found -- a lost shard has a check of its own
order by step, fingerprint, "count", found;
