-- One row per usable image of a dataset that its artifact of features says nothing of: not cached, live or failed.
--
-- fingerprint          the artifact of features
-- dataset_fingerprint  the dataset
-- image_sha256         hash of the image's bytes
-- image                a path of the image in the dataset
with expected as (
    select fingerprint, inputs['dataset'] as dataset_fingerprint
    from manifests
    where step = 'features' and version > 1 -- the first version kept its features in other files
)
select expected.fingerprint, expected.dataset_fingerprint, images.image_sha256, min(images.image) as image
from expected
join images on images.fingerprint = expected.dataset_fingerprint and images.status = 'ok'
anti join feature_images
    on feature_images.fingerprint = expected.fingerprint and feature_images.image_sha256 = images.image_sha256
group by all
order by all;
