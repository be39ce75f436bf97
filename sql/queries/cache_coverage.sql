-- One row per experiment and training dataset: how many of its usable images have features.
--
-- $experiment  experiment  only this experiment (default none)
--
-- experiment            name of the experiment
-- role                  dataset/pretrain or dataset/finetune
-- features_fingerprint  the artifact of features, published or to be made
-- num_usable            images that could be decoded, each counted once
-- num_cached            of these, images with cached features
-- num_live              of these, images that the trainer encodes; nothing is cached
-- num_failed            of these, images that could not be encoded
-- num_lost              of these, images whose shard is not in the store any more; the next run encodes them again
-- num_missing           of these, all others: their features have not been made yet
with datasets as (
    select datasets.experiment, datasets.role, datasets.fingerprint, features.fingerprint as features_fingerprint
    from experiment_steps as features
    join experiment_steps as datasets
        on datasets.experiment = features.experiment
        and datasets.role = replace(features.role, 'features/', 'dataset/')
    where features.role like 'features/%' and ($experiment is null or features.experiment = $experiment)
),
usable as (
    select fingerprint, count(distinct image_sha256) as num_usable
    from images
    where status = 'ok'
    group by fingerprint
),
states as (
    select
        fingerprint,
        count(*) as num_listed,
        count(*) filter (status = 'ok' and shard in (select fingerprint from feature_shards)) as num_cached,
        count(*) filter (status = 'ok') - num_cached as num_lost,
        count(*) filter (status = 'live') as num_live,
        count(*) filter (status = 'failed') as num_failed
    from feature_images
    group by fingerprint
)
select
    datasets.experiment,
    datasets.role,
    datasets.features_fingerprint,
    coalesce(usable.num_usable, 0) as num_usable,
    coalesce(states.num_cached, 0) as num_cached,
    coalesce(states.num_live, 0) as num_live,
    coalesce(states.num_failed, 0) as num_failed,
    coalesce(states.num_lost, 0) as num_lost,
    greatest(coalesce(usable.num_usable, 0) - coalesce(states.num_listed, 0), 0) as num_missing
from datasets
left join usable on usable.fingerprint = datasets.fingerprint
left join states on states.fingerprint = datasets.features_fingerprint
order by datasets.experiment, datasets.role;
