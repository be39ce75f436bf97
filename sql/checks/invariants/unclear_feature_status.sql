-- One row per image whose status contradicts what else is said of it, in an artifact of features or in a shard.
--
-- In an artifact of features an image is ok with a shard, failed with a shard and a reason, or live without either; in a
-- shard it is ok with a place, checksums and norms for each S2 scale, or failed with a reason.
--
-- step          features or feature_shard
-- fingerprint   the artifact
-- image_sha256  hash of the image's bytes
-- status        what is said
select 'features' as step, fingerprint, image_sha256, status
from feature_images
where
    not coalesce(
        case status
            when 'ok' then shard is not null and reason is null
            when 'failed' then shard is not null and reason <> ''
            when 'live' then shard is null and reason is null
        end,
        false
    )
union all
select 'feature_shard', fingerprint, image_sha256, status
from cached_features
where
    not coalesce(
        case status
            when 'ok' then
                reason is null
                and "row" >= 0
                and source_width > 0
                and source_height > 0
                and len(offsets) = len(image_sides)
                and len(num_bytes) = len(image_sides)
                and len(checksums) = len(image_sides)
                and len(mean_norms) = len(image_sides)
                and len(max_norms) = len(image_sides)
            when 'failed' then reason <> '' and "row" is null and offsets is null
        end,
        false
    )
order by all;
