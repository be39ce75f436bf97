-- One row per image in more than one row of the same artifact of features.
--
-- fingerprint   the artifact of features
-- image_sha256  hash of the image's bytes
-- num_rows      rows with this image
select fingerprint, image_sha256, count(*) as num_rows
from feature_images
group by fingerprint, image_sha256
having num_rows > 1
order by all;
