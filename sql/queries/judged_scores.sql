-- One row per experiment, judged benchmark, judge and number. Numbers of different judges must not be compared.
--
-- $experiment    experiment  only this experiment (default none)
-- $benchmark     string      only this benchmark (default none)
-- $variant       string      clean, or official: as in the published script (default clean)
-- $max_failures  integer     clean numbers of an artifact with more failed judgements are withheld (default 0)
--
-- experiment        name of the experiment
-- benchmark         name of the benchmark
-- judge             protocol, model and digits of all that decides the judge's replies
-- metric            conv, detail, complex, average_macro, average_pooled; mean_grade (0 to 5); accuracy; of groups
-- value             100 * mean of the model's scores / mean of the reference's, or a mean; null when withheld
-- low               lower end of the 95 % interval over the images
-- high              upper end
-- num_items         items
-- num_failed        failed judgements of the whole benchmark
-- num_repeats       how often every answer was judged
-- repeat_deviation  standard deviation over the repeats
with counted as (
    select fingerprint, count(*) filter (where status <> 'ok') as num_failed
    from judgements
    group by fingerprint
),
shown as (
    select fingerprint, num_failed, $variant <> 'clean' or num_failed <= $max_failures as is_shown
    from counted
)
select
    steps.experiment,
    scores.benchmark,
    scores.label as judge,
    scores.metric,
    case when shown.is_shown then scores.value end as value,
    case when shown.is_shown then scores.low end as low,
    case when shown.is_shown then scores.high end as high,
    scores.num_items,
    shown.num_failed,
    scores.num_repeats,
    case when shown.is_shown then scores.repeat_deviation end as repeat_deviation
from judge_scores as scores
join experiment_steps as steps on steps.step = 'judgements' and steps.fingerprint = scores.fingerprint
join shown on shown.fingerprint = scores.fingerprint
where scores.variant = $variant
    and ($experiment is null or steps.experiment = $experiment)
    and ($benchmark is null or scores.benchmark = $benchmark)
order by steps.experiment, scores.benchmark, judge, scores.metric like 'image_category/%', scores.metric;
