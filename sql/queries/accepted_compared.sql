-- One row per dataset of two experiments and way in which their accepted samples differ: by id, both or one of them only.
--
-- $left   experiment  an experiment
-- $right  experiment  another one
--
-- role         translation/NAME
-- accepted_by  both, left or right
-- check        the check that rejects them on the other side; null for both, and where the other has no such sample
-- num_samples  samples
-- example      id of the first
with checks as (
    select
        experiment_steps.experiment = $left as is_left,
        experiment_steps.role,
        experiment_steps.fingerprint
    from experiment_steps
    where step = 'translation' and experiment in ($left, $right)
),
accepted as (
    select checks.is_left, checks.role, accepted_samples.sample_id
    from checks
    join accepted_samples on accepted_samples.translation_fingerprint = checks.fingerprint
),
rejected as (
    select checks.is_left, checks.role, findings.sample_id, min(findings."check") as "check"
    from checks
    join findings on findings.fingerprint = checks.fingerprint
    where findings.severity = 'reject'
    group by all
),
sides as (
    select
        role,
        sample_id,
        case when count(*) = 2 then 'both' when bool_or(is_left) then 'left' else 'right' end as accepted_by
    from accepted
    group by role, sample_id
)
select
    sides.role,
    sides.accepted_by,
    rejected."check",
    count(*) as num_samples,
    min(sides.sample_id) as example
from sides
left join rejected
    on rejected.role = sides.role
    and rejected.sample_id = sides.sample_id
    and rejected.is_left = (sides.accepted_by = 'right')
    and sides.accepted_by <> 'both'
group by sides.role, sides.accepted_by, rejected."check"
order by sides.role, sides.accepted_by, num_samples desc, rejected."check";
