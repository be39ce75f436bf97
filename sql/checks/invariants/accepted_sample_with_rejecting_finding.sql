-- One row per accepted sample and check that rejects it.
--
-- fingerprint  the translation artifact
-- sample_id    the sample
-- check        the check that rejects it
select distinct findings.fingerprint, accepted_samples.sample_id, findings."check"
from accepted_samples
join findings
    on findings.fingerprint = accepted_samples.translation_fingerprint
    and findings.sample_id = accepted_samples.sample_id
    and findings.step = 'translation'
where findings.severity = 'reject'
order by all;
