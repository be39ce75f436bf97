-- One row per experiment, dataset and check: how many samples the check found, worst first.
--
-- $experiment   experiment  only this experiment (default none)
-- $min_samples  integer     leave out checks that found fewer samples than this (default 1)
--
-- experiment    the experiment, null when none uses the artifact
-- role          dataset/NAME (unreadable), translation/NAME, or pretrain/finetune (left out of the training, or cut)
-- check         name of the check
-- severity      reject or warn
-- num_samples   samples with at least one finding
-- num_findings  findings
-- example       evidence of the first finding
select
    experiment_steps.experiment,
    experiment_steps.role,
    findings."check",
    findings.severity,
    count(distinct findings.record_index) as num_samples,
    count(*) as num_findings,
    arg_min(findings.evidence, (findings.record_index, findings.turn_index)) as example
from findings
left join experiment_steps using (fingerprint)
where $experiment is null or experiment_steps.experiment = $experiment
group by findings.fingerprint, experiment, role, "check", severity
having num_samples >= $min_samples
order by severity, num_samples desc, experiment, role, "check";
