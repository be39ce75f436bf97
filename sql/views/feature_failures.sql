-- One row per usable image of a dataset that could not be encoded.
--
-- fingerprint          varchar  the artifact of features
-- dataset_fingerprint  varchar  the dataset of the image
-- encoder              varchar  short name of what should have encoded it; see the view feature_shards
-- image_sha256         varchar  hash of the image's bytes
-- shard                varchar  the shard that should hold it
-- reason               varchar  why there are no features
select fingerprint, dataset_fingerprint, encoder, image_sha256, shard, reason
from feature_images
where status = 'failed';
