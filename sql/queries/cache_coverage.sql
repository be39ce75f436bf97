-- One row per experiment and training dataset: how many of its usable images have cached features.
--
-- $experiment  experiment  only this experiment (default none)
--
-- experiment   name of the experiment
-- role         dataset/pretrain, dataset/finetune, or another dataset whose features the experiment caches
-- num_usable   images that could be decoded, each counted once
-- num_cached   of these, images with cached features
-- num_failed   of these, images that could not be encoded
-- num_missing  of these, images with neither
with datasets as (
    select datasets.experiment, datasets.role, datasets.fingerprint, features.fingerprint as features_fingerprint
    from experiment_steps as datasets
    left join experiment_steps as features
        on features.experiment = datasets.experiment and features.role = 'features'
    left join manifests on manifests.step = 'features' and manifests.fingerprint = features.fingerprint
    where ($experiment is null or datasets.experiment = $experiment)
        and datasets.role like 'dataset/%'
        and (
            datasets.role in ('dataset/pretrain', 'dataset/finetune')
            or list_contains(map_values(manifests.inputs), datasets.fingerprint)
        )
),
usable as (
    select distinct fingerprint, image_sha256
    from images
    where status = 'ok'
),
cached as (
    select distinct fingerprint, image_sha256
    from cached_features
),
failed as (
    select distinct fingerprint, image_sha256
    from feature_failures
)
select
    datasets.experiment,
    datasets.role,
    count(usable.image_sha256) as num_usable,
    count(cached.image_sha256) as num_cached,
    count(failed.image_sha256) filter (cached.image_sha256 is null) as num_failed,
    num_usable - num_cached - num_failed as num_missing
from datasets
left join usable on usable.fingerprint = datasets.fingerprint
left join cached
    on cached.fingerprint = datasets.features_fingerprint and cached.image_sha256 = usable.image_sha256
left join failed
    on failed.fingerprint = datasets.features_fingerprint and failed.image_sha256 = usable.image_sha256
group by datasets.experiment, datasets.role
order by datasets.experiment, datasets.role;
