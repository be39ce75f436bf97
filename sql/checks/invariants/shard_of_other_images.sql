-- One row per shard whose index does not list just the images that the shard was asked to hold.
--
-- fingerprint  the shard
-- expected     sha256 of the list that it was asked to hold, in order
-- found        sha256 of the list of its index
with indexed as (
    select fingerprint, sha256(string_agg(image_sha256, chr(10) order by image_sha256)) as found
    from cached_features
    group by fingerprint
)
select manifests.fingerprint, manifests.config->>'images_sha256' as expected, indexed.found
from manifests
left join indexed using (fingerprint)
where manifests.step = 'feature_shard' and expected is distinct from found
order by all;
