-- One row per optimizer step whose loss is missing, infinite or not a number.
--
-- fingerprint     the artifact of the stage
-- stage           pretrain or finetune
-- optimizer_step  the optimizer step
-- loss            the loss
select fingerprint, stage, optimizer_step, loss
from training_metrics
where not coalesce(isfinite(loss), false)
order by all;
