-- One row per shard that an artifact of features refers to and the store does not have; running the experiment again
-- makes just these.
--
-- fingerprint  the artifact of features
-- shard        the lost shard
-- num_images   images whose features it held
select feature_images.fingerprint, feature_images.shard, count(*) as num_images
from feature_images
anti join feature_shards on feature_shards.fingerprint = feature_images.shard
where feature_images.shard is not null
group by all
order by all;
