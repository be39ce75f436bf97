-- One row per usable image of an experiment's features that has neither cached features nor a recorded failure.
--
-- fingerprint          the features artifact
-- dataset_fingerprint  the dataset
-- image_sha256         hash of the image's bytes
-- image                a path of the image in the dataset
with expected as (
    select features.fingerprint, datasets.fingerprint as dataset_fingerprint
    from experiment_steps as features
    join experiment_steps as datasets on datasets.experiment = features.experiment
    join manifests on manifests.step = 'features' and manifests.fingerprint = features.fingerprint
    where features.role = 'features'
        and datasets.role like 'dataset/%'
        and (
            datasets.role in ('dataset/pretrain', 'dataset/finetune')
            or list_contains(map_values(manifests.inputs), datasets.fingerprint)
        )
),
handled as (
    select fingerprint, image_sha256 from cached_features
    union
    select fingerprint, image_sha256 from feature_failures
)
select expected.fingerprint, expected.dataset_fingerprint, images.image_sha256, min(images.image) as image
from expected
join images on images.fingerprint = expected.dataset_fingerprint and images.status = 'ok'
anti join handled
    on handled.fingerprint = expected.fingerprint and handled.image_sha256 = images.image_sha256
group by all
order by all;
