-- One row per scores artifact, metric and group of items: the number that the step stored, with its interval.
--
-- fingerprint   varchar  the scores artifact
-- metric        varchar  name of the metric
-- breakdown     varchar  overall, category, image_category, question_type, answer_length, or detail: the scorer's own
-- group         varchar  the group; overall is the benchmark's number
-- number        double   0 to 100; a mean of items where the metric says nothing else
-- low           double   lower end of the 95 % interval
-- high          double   upper end
-- num_items     bigint   items that it is about
-- num_clusters  bigint   images or other units that were drawn for the interval
with metrics as (
    select
        fingerprint,
        unnest(map_entries(from_json(
            summary -> 'metrics',
            '"map(varchar, map(varchar, map(varchar, json)))"'
        ))) as metric
    from manifests
    where step = 'scores'
),
breakdowns as (
    select fingerprint, metric.key as metric, unnest(map_entries(metric.value)) as breakdown
    from metrics
),
groups as (
    select fingerprint, metric, breakdown.key as breakdown, unnest(map_entries(breakdown.value)) as "group"
    from breakdowns
)
select
    fingerprint,
    metric,
    breakdown,
    "group".key as "group",
    ("group".value ->> 'mean')::double as number,
    ("group".value ->> 'low')::double as low,
    ("group".value ->> 'high')::double as high,
    ("group".value ->> 'num_items')::bigint as num_items,
    ("group".value ->> 'num_clusters')::bigint as num_clusters
from groups;
