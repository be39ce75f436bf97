-- One row per experiment, stage and shown optimizer step.
--
-- $experiment  experiment  only this experiment (default none)
-- $stage       string      only pretrain or only finetune (default none)
-- $window      integer     optimizer steps, this one included, that the loss is averaged over (default 1)
-- $every_nth   integer     show each nth optimizer step and the last (default 1)
--
-- experiment      name of the experiment
-- stage           pretrain or finetune
-- optimizer_step  counted from 1
-- loss            mean over the window
-- learning_rate   rate of this optimizer step
with smoothed as (
    select
        experiment_steps.experiment,
        metrics.stage,
        metrics.optimizer_step,
        avg(metrics.loss) over recent as loss,
        metrics.learning_rate,
        max(metrics.optimizer_step) over curve as last_step
    from training_metrics as metrics
    join experiment_steps on experiment_steps.fingerprint = metrics.fingerprint
        and experiment_steps.step = metrics.stage
    where ($experiment is null or experiment_steps.experiment = $experiment)
        and ($stage is null or metrics.stage = $stage)
    window
        curve as (partition by experiment_steps.experiment, metrics.stage),
        recent as (
            partition by experiment_steps.experiment, metrics.stage
            order by metrics.optimizer_step
            rows between ($window - 1) preceding and current row
        )
)
select experiment, stage, optimizer_step, loss, learning_rate
from smoothed
where optimizer_step % $every_nth = 0 or optimizer_step = last_step
order by experiment, stage desc, optimizer_step;
