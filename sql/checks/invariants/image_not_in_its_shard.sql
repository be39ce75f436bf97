-- One row per image of an artifact of features that its shard does not hold, or holds with another status.
--
-- fingerprint   the artifact of features
-- shard         the shard
-- image_sha256  hash of the image's bytes
-- status        ok or failed, as the artifact of features says
select feature_images.fingerprint, feature_images.shard, feature_images.image_sha256, feature_images.status
from feature_images
semi join feature_shards on feature_shards.fingerprint = feature_images.shard
anti join cached_features
    on cached_features.fingerprint = feature_images.shard
    and cached_features.image_sha256 = feature_images.image_sha256
    and cached_features.status = feature_images.status
order by all;
