-- One row per benchmark item that one experiment got right and another wrong, the largest differences first.
--
-- $right       experiment  the experiment that got the item right
-- $wrong       experiment  the experiment that got the item wrong, or has no answer
-- $benchmark   string      only this benchmark (default none)
-- $metric      string      what decides what is right (default exact_match)
-- $right_from  double      smallest value that is right, 0 to 100 (default 100)
-- $max_rows    integer     items to show, at most (default 20)
--
-- benchmark         name of the benchmark
-- protocol          which questions of it were asked
-- item_id           the item
-- category          category of the item
-- question          what was asked
-- reference         the expected answer
-- right_prediction  the right answer
-- wrong_prediction  the wrong answer, null when there is none
-- right_value       value of the right answer
-- wrong_value       value of the wrong answer, null when there is none
-- image_sha256      hash of the first image's bytes
with chosen as (
    select *
    from experiment_scores
    where metric = $metric and ($benchmark is null or benchmark = $benchmark)
)
select
    good.benchmark,
    good.protocol,
    good.item_id,
    good.category,
    good.question,
    good.reference,
    good.prediction as right_prediction,
    bad.prediction as wrong_prediction,
    good.value as right_value,
    bad.value as wrong_value,
    good.image_sha256
from chosen as good
join chosen as bad
    on bad.benchmark = good.benchmark
    and bad.protocol = good.protocol
    and bad.dataset_fingerprint = good.dataset_fingerprint
    and bad.item_id = good.item_id
where good.experiment = $right
    and bad.experiment = $wrong
    and good.value >= $right_from
    and coalesce(bad.value, -1) < $right_from
order by good.value - coalesce(bad.value, 0) desc, good.benchmark, good.protocol, good.item_id
limit $max_rows;
