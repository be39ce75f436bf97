-- One row per cached image whose features are far from those of the others, or not finite; the farthest first.
--
-- Far is measured against the images of the same encoder at the same S2 scale: distance from their median in units of
-- 1.4826 times the median absolute deviation, which is the standard deviation of a normal distribution and does not
-- care for outliers. Where that is 0, because most images have the same norm, in units of 1.2533 times the mean one.
--
-- $min_deviation  double   how far, in robust standard deviations, at least (default 6)
-- $encoder        encoder  only this encoder, by the first digits of its name (default none)
-- $limit          integer  images, at most (default 20)
--
-- encoder       short name of what encoded the image; see the view feature_shards
-- calibration   the artifact whose channel RMS int8 features are divided by, null for other forms
-- image_sha256  hash of the image's bytes
-- image         a path of the image in a dataset
-- shard         the shard that holds its features
-- is_finite     no feature is infinite or not a number
-- image_side    the S2 scale at which the image is farthest from the others, in pixels; null when it is not finite
-- measure       mean_norm or max_norm: what is farthest; null when the image is not finite
-- norm          the image's norm
-- median_norm   the median of all
-- deviation     how far, in robust standard deviations
with cached as (
    select
        encoder,
        calibration,
        fingerprint as shard,
        image_sha256,
        is_finite,
        unnest(image_sides) as image_side,
        unnest(mean_norms) as mean_norm,
        unnest(max_norms) as max_norm
    from cached_features
    where status = 'ok' and ($encoder is null or starts_with(encoder, $encoder))
),
centres as (
    select
        encoder,
        calibration,
        image_side,
        median(mean_norm) as centre_of_means,
        median(max_norm) as centre_of_maxima,
        1.4826 * mad(mean_norm) as mad_of_means,
        1.4826 * mad(max_norm) as mad_of_maxima
    from cached
    where is_finite
    group by all
),
measured as (
    select
        cached.*,
        centres.* exclude (encoder, calibration, image_side),
        abs(cached.mean_norm - centre_of_means) as distance_of_mean,
        abs(cached.max_norm - centre_of_maxima) as distance_of_maximum
    from cached
    join centres
        on centres.encoder = cached.encoder
        and centres.calibration is not distinct from cached.calibration
        and centres.image_side = cached.image_side
    where is_finite
),
spreads as (
    select
        encoder,
        calibration,
        image_side,
        coalesce(nullif(any_value(mad_of_means), 0), 1.2533 * avg(distance_of_mean)) as spread_of_means,
        coalesce(nullif(any_value(mad_of_maxima), 0), 1.2533 * avg(distance_of_maximum)) as spread_of_maxima
    from measured
    group by all
),
compared as (
    select
        measured.*,
        distance_of_mean / nullif(spread_of_means, 0) as deviation_of_mean,
        distance_of_maximum / nullif(spread_of_maxima, 0) as deviation_of_maximum
    from measured
    join spreads
        on spreads.encoder = measured.encoder
        and spreads.calibration is not distinct from measured.calibration
        and spreads.image_side = measured.image_side
    where deviation_of_mean >= $min_deviation or deviation_of_maximum >= $min_deviation
),
suspicious as (
    select
        encoder,
        calibration,
        image_sha256,
        shard,
        is_finite,
        image_side,
        if(deviation_of_maximum > deviation_of_mean, 'max_norm', 'mean_norm') as measure,
        if(measure = 'max_norm', max_norm, mean_norm) as norm,
        if(measure = 'max_norm', centre_of_maxima, centre_of_means) as median_norm,
        if(measure = 'max_norm', deviation_of_maximum, deviation_of_mean) as deviation
    from compared
    union all
    select encoder, calibration, image_sha256, shard, false, null, null, null, null, null
    from cached
    where is_finite is distinct from true
),
farthest as (
    select *
    from suspicious
    qualify
        row_number() over (
            partition by encoder, calibration, image_sha256 order by is_finite, deviation desc, image_side, shard
        ) = 1
    order by is_finite, deviation desc, encoder, calibration, image_sha256
    limit $limit
)
select
    farthest.encoder,
    farthest.calibration,
    farthest.image_sha256,
    min(images.image) as image,
    farthest.shard,
    farthest.is_finite,
    farthest.image_side,
    farthest.measure,
    farthest.norm,
    farthest.median_norm,
    farthest.deviation
from farthest
left join images using (image_sha256)
group by all
order by is_finite, deviation desc, encoder, calibration, image_sha256;
