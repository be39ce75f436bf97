-- One row per finding, the first few of each check and dataset, with the text it is about.
--
-- $check       check       only this check (default none)
-- $experiment  experiment  only the datasets of this experiment (default none)
-- $severity    string      only reject or only warn (default none)
-- $per_check   integer     findings of each check and dataset, at most (default 3)
--
-- step                 dataset (the record could not be read), translation, pretrain or finetune (left out, or cut)
-- dataset_fingerprint  the dataset
-- check                name of the check
-- severity             reject or warn
-- sample_id            the sample, null when the record has none
-- record_index         position in the source, from 0
-- turn_index           the turn, from 0; null when it is the whole conversation
-- evidence             what was seen
-- text                 the turn's text, or all turns when it is the whole conversation; cut to 200 characters
-- original             the English it was translated from, likewise; null when it is not known
with chosen as (
    select *
    from findings
    where ($check is null or "check" = $check)
        and ($severity is null or severity = $severity)
        and (
            $experiment is null
            or fingerprint in (select fingerprint from experiment_steps where experiment = $experiment)
        )
    qualify row_number() over (partition by fingerprint, "check" order by record_index, turn_index) <= $per_check
)
select
    chosen.step,
    chosen.dataset_fingerprint,
    chosen."check",
    chosen.severity,
    chosen.sample_id,
    chosen.record_index,
    chosen.turn_index,
    chosen.evidence,
    "left"(string_agg(turns."text", ' / ' order by turns.turn_index), 200) as "text",
    "left"(string_agg(turns.original, ' / ' order by turns.turn_index), 200) as original
from chosen
left join turns
    on turns.fingerprint = chosen.dataset_fingerprint
    and turns.sample_id = chosen.sample_id
    and (chosen.turn_index is null or turns.turn_index = chosen.turn_index)
group by all
order by chosen.severity, chosen."check", chosen.dataset_fingerprint, chosen.record_index, chosen.turn_index;
