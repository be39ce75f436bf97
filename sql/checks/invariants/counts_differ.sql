-- One row per count of a dataset or its translation checks that the files contradict: what came in must have come out.
--
-- step         the step
-- fingerprint  the artifact
-- count        what is counted
-- expected     the number that the manifest gives
-- found        the number that the files give
with sample_counts as (
    select fingerprint, count(*) as num_samples from samples group by fingerprint
),
accepted_counts as (
    select translation_fingerprint as fingerprint, count(*) as num_accepted
    from accepted_samples
    group by translation_fingerprint
),
rejected_counts as (
    select step, fingerprint, count(distinct record_index) as num_rejected
    from findings
    where severity = 'reject'
    group by step, fingerprint
),
found as (
    select
        manifests.*,
        coalesce(sample_counts.num_samples, 0) as num_samples,
        coalesce(accepted_counts.num_accepted, 0) as num_accepted,
        coalesce(rejected_counts.num_rejected, 0) as num_rejected
    from manifests
    left join sample_counts on sample_counts.fingerprint = coalesce(manifests.inputs['dataset'], manifests.fingerprint)
    left join accepted_counts on accepted_counts.fingerprint = manifests.fingerprint
    left join rejected_counts
        on rejected_counts.step = manifests.step and rejected_counts.fingerprint = manifests.fingerprint
),
counts as (
    select
        step,
        fingerprint,
        unnest(
            case step
                when 'dataset' then [
                    {'count': 'records', 'expected': summary->>'num_records', 'found': num_samples + num_rejected},
                    {'count': 'samples', 'expected': summary->>'num_samples', 'found': num_samples},
                    {'count': 'rejected records', 'expected': summary->>'num_rejected', 'found': num_rejected}
                ]
                when 'translation' then [
                    {'count': 'samples', 'expected': summary->>'num_samples', 'found': num_samples},
                    {'count': 'accepted samples', 'expected': summary->>'num_accepted', 'found': num_accepted},
                    {'count': 'rejected samples', 'expected': summary->>'num_rejected', 'found': num_rejected},
                    {
                        'count': 'accepted and rejected samples',
                        'expected': summary->>'num_samples',
                        'found': num_accepted + num_rejected
                    }
                ]
            end
        ) as counted
    from found
)
select step, fingerprint, counted.count as "count", counted.expected::bigint as expected, counted.found as found
from counts
where expected is distinct from found
order by step, fingerprint, "count";
