-- One row per turn of one conversation, whole, with what was found in it.
--
-- $sample_id   string      the sample; the same id in several datasets shows all of them
-- $experiment  experiment  only the datasets of this experiment (default none)
--
-- fingerprint  the dataset
-- image        path in the record, of several one after the other; null for a text-only conversation
-- turn_index   position in the conversation, from 0
-- role         user or assistant
-- text         what is said
-- original     the English text that was translated, null when it is not known
-- findings     checks of this turn, those of the whole conversation at the first turn; null when nothing was found
with found as (
    select
        dataset_fingerprint as fingerprint,
        sample_id,
        coalesce(turn_index, 0) as turn_index,
        string_agg(distinct severity || ' ' || "check" || ': ' || evidence, E'\n') as findings
    from findings
    where sample_id = $sample_id
    group by all
),
shown as (
    select fingerprint, sample_id, string_agg(image, ', ' order by image_index) as image
    from sample_images
    where sample_id = $sample_id
    group by all
)
select
    turns.fingerprint,
    shown.image,
    turns.turn_index,
    turns.role,
    turns."text",
    turns.original,
    found.findings
from turns
left join shown using (fingerprint, sample_id)
left join found using (fingerprint, sample_id, turn_index)
where turns.sample_id = $sample_id
    and (
        $experiment is null
        or turns.fingerprint in (select fingerprint from experiment_steps where experiment = $experiment)
    )
order by turns.fingerprint, turns.turn_index;
