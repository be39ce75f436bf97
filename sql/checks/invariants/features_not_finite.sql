-- One row per cached image with a feature that is infinite or not a number.
--
-- fingerprint   the shard
-- image_sha256  hash of the image's bytes
select fingerprint, image_sha256
from cached_features
where status = 'ok' and is_finite is distinct from true
order by all;
