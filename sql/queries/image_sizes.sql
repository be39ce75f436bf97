-- One row per dataset and source: how large the images are that samples show.
--
-- $experiment  experiment  only the datasets of this experiment (default none)
-- $side        integer     the model's input, in pixels (default 768)
--
-- experiment      the experiment, null when none uses the dataset
-- role            dataset/NAME
-- fingerprint     the dataset
-- source          where the samples come from
-- num_images      different image paths
-- formats         file formats, the most frequent first
-- median_width    pixels
-- median_height   pixels
-- smallest        shorter side of the smallest image, in pixels
-- largest         longer side of the largest image, in pixels
-- percent_below   images whose longer side is less than the model's input: enlarged, not reduced
with shown as (
    select distinct fingerprint, sample_images."source", images.image, images.format, images.width, images.height
    from sample_images
    join images using (fingerprint, image)
    where images.status = 'ok'
),
by_format as (
    select fingerprint, "source", list(format order by num desc, format) as formats
    from (select fingerprint, "source", format, count(*) as num from shown group by all)
    group by all
),
sizes as (
    select
        fingerprint,
        "source",
        count(*) as num_images,
        median(width) as median_width,
        median(height) as median_height,
        min(least(width, height)) as smallest,
        max(greatest(width, height)) as largest,
        100.0 * count(*) filter (greatest(width, height) < $side) / count(*) as percent_below
    from shown
    group by all
)
select
    experiment_steps.experiment,
    experiment_steps.role,
    fingerprint,
    "source",
    sizes.num_images,
    by_format.formats,
    sizes.median_width,
    sizes.median_height,
    sizes.smallest,
    sizes.largest,
    sizes.percent_below
from sizes
join by_format using (fingerprint, "source")
left join experiment_steps using (fingerprint)
where $experiment is null or experiment_steps.experiment = $experiment
order by experiment, role, num_images desc, "source";
