-- One row per experiment and step: which artifact plays which role in which experiment.
--
-- experiment   varchar  name of the experiment
-- role         varchar  what the artifact is to the experiment: dataset/pretrain, features/pretrain, scores/NAME, ...
-- step         varchar  the step that makes the artifact
-- fingerprint  varchar  address of the artifact
with listed as (
    select experiment, unnest(steps) as step
    from read_json(
        getvariable('store') || '/experiments/*.json',
        format = 'unstructured',
        hive_partitioning = false,
        columns = {
            'experiment': 'varchar',
            'steps': 'struct("role" varchar, step varchar, fingerprint varchar)[]'
        }
    )
)
select experiment, step.role as role, step.step as step, step.fingerprint as fingerprint
from listed;
