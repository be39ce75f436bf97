-- One row per image in an artifact of features that is no usable image of its dataset.
--
-- fingerprint          the artifact of features
-- dataset_fingerprint  the dataset
-- image_sha256         hash of the image's bytes
with datasets as (
    select fingerprint from manifests where step = 'dataset'
),
usable as (
    select fingerprint, image_sha256 from images where status = 'ok'
)
select feature_images.fingerprint, feature_images.dataset_fingerprint, feature_images.image_sha256
from feature_images
semi join datasets on datasets.fingerprint = feature_images.dataset_fingerprint
anti join usable
    on usable.fingerprint = feature_images.dataset_fingerprint and usable.image_sha256 = feature_images.image_sha256
order by all;
