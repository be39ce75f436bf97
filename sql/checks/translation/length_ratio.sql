-- One row per turn that is much longer or shorter than its original, compared with the other turns of its source and
-- role: more than four robust standard deviations (1.48 median absolute deviations) from the median, and at least a
-- factor of 2.2. Twenty characters are added to both sides, so that short turns may differ. Fewer than fifty turns are
-- compared with what translations usually have, 0.45 Japanese characters for each English one.
-- severity: reject
--
-- sample_id   the sample
-- turn_index  the turn, from 0
-- evidence    both lengths, and what is usual
with measured as (
    select
        sample_id,
        turn_index,
        "source",
        role,
        length("text") as num_letters,
        length(original) as num_original_letters,
        round(50 * ln((num_letters + 10) / (num_original_letters + 20))) as bin
    from turns
    where original <> '' and "text" <> '' and regexp_matches("text", '\p{Hiragana}|\p{Katakana}|\p{Han}')
),
binned as (
    select "source", role, bin, count(*) as num_turns
    from measured
    group by all
),
middles as (
    select
        "source",
        role,
        case when sum(num_turns) < 50 then 50 * ln(0.5) else weighted_median(bin, num_turns) end as middle,
        sum(num_turns) as num_turns
    from binned
    group by all
),
spreads as (
    select
        "source",
        role,
        middle,
        case
            when any_value(middles.num_turns) < 50 then 8 else weighted_median(abs(bin - middle), binned.num_turns)
        end as spread
    from binned
    join middles using ("source", role)
    group by all
)
select
    sample_id,
    turn_index,
    num_letters || ' characters for ' || num_original_letters || ' English ones, usual are '
        || greatest(round((num_original_letters + 20) * exp(middle / 50) - 10), 1)::bigint as evidence
from measured
join spreads using ("source", role)
where abs(bin - middle) > greatest(4 * 1.4826 * spread, 50 * ln(2.2));
