-- One row per judged benchmark, model, judge, variant and number; clean ones also where judgements failed.
--
-- fingerprint       varchar  the judgements artifact
-- benchmark         varchar  name of the benchmark
-- label             varchar  the judge: protocol, model and digits of all that decides its replies
-- judge_model       varchar  the judge that was asked
-- prompt_sha256     varchar  hash of wording and rules
-- variant           varchar  clean: without failures; official: as the published script has it
-- metric            varchar  conv, detail, complex, average_…, mean_grade, accuracy, (image_)category/NAME, official names
-- value             double   100 * mean of the model's scores / mean of the reference's, or the mean of the model's
-- low               double   lower end of the 95 % interval over the images
-- high              double   upper end
-- num_items         bigint   items that it is about, failed ones included
-- num_failed        bigint   judgements of these items without scores, over all repeats
-- num_repeats       bigint   how often every answer was judged
-- repeat_deviation  double   standard deviation over the repeats, null for one
-- repeat_lowest     double   lowest repeat
-- repeat_highest    double   highest repeat
select
    split_part(filename, '/', -2) as fingerprint,
    benchmark,
    label,
    judge_model,
    prompt_sha256,
    variant,
    metric,
    value,
    low,
    high,
    num_items,
    num_failed,
    num_repeats,
    repeat_deviation,
    repeat_lowest,
    repeat_highest
from read_parquet(
    getvariable('store') || '/artifacts/judgements/*/judge_scores.parquet', filename = true, hive_partitioning = false
);
