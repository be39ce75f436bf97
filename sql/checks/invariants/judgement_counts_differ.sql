-- One row per count in the summary of a judgements artifact that differs from its rows.
--
-- fingerprint  the judgements artifact
-- what         the count
-- expected     what the summary says
-- found        what the rows give
with counted as (
    select
        fingerprint,
        count(*) as num_judgements,
        count(*) filter (where status <> 'ok') as num_failed,
        count(distinct item_id) as num_items,
        count(distinct repeat) as num_repeats
    from judgements
    group by fingerprint
),
counts as (
    unpivot counted
    on num_judgements, num_failed, num_items, num_repeats
    into name what value found
)
select counts.fingerprint, counts.what, (manifests.summary ->> ('$.' || counts.what))::bigint as expected, counts.found
from counts
join manifests on manifests.step = 'judgements' and manifests.fingerprint = counts.fingerprint
where expected is distinct from counts.found
order by all;
