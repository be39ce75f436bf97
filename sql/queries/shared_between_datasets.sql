-- One row per pair of an experiment's datasets: what the two sets share.
--
-- $experiment  experiment  only the datasets of this experiment (default none)
--
-- experiment                the experiment
-- left_role                 dataset/NAME
-- right_role                the other dataset
-- num_left_images           different images of the left dataset, by their bytes
-- num_right_images          different images of the right dataset
-- num_shared_images         images with the same bytes in both
-- num_shared_pictures       COCO and Visual Genome ids in both
-- num_shared_conversations  conversations of the same words in both, whatever their image
with datasets as (
    select experiment, role, fingerprint
    from experiment_steps
    where step = 'dataset' and ($experiment is null or experiment = $experiment)
),
pairs as (
    select experiment, lefts.role as left_role, rights.role as right_role, lefts.fingerprint as l, rights.fingerprint as r
    from datasets as lefts
    join datasets as rights using (experiment)
    where lefts.role < rights.role
),
parts as (
    select fingerprint, 'image' as kind, image_sha256 as item from sample_images where image_sha256 is not null
    union
    select fingerprint, 'picture', 'coco ' || coco_id from sample_images where coco_id is not null
    union
    select fingerprint, 'picture', 'vg ' || visual_genome_id from sample_images where visual_genome_id is not null
    union
    select fingerprint, 'conversation', md5(list_transform(turns, lambda turn: turn."text")::varchar) from samples
),
shared as (
    select pairs.l, pairs.r, lefts.kind, count(*) as num
    from (select distinct l, r from pairs) as pairs
    join parts as lefts on lefts.fingerprint = pairs.l
    join parts as rights on rights.fingerprint = pairs.r and rights.kind = lefts.kind and rights.item = lefts.item
    group by all
),
images_of as (
    select fingerprint, count(*) as num from parts where kind = 'image' group by fingerprint
)
select
    pairs.experiment,
    pairs.left_role,
    pairs.right_role,
    coalesce(any_value(left_images.num), 0) as num_left_images,
    coalesce(any_value(right_images.num), 0) as num_right_images,
    coalesce(sum(shared.num) filter (shared.kind = 'image'), 0)::bigint as num_shared_images,
    coalesce(sum(shared.num) filter (shared.kind = 'picture'), 0)::bigint as num_shared_pictures,
    coalesce(sum(shared.num) filter (shared.kind = 'conversation'), 0)::bigint as num_shared_conversations
from pairs
left join images_of as left_images on left_images.fingerprint = pairs.l
left join images_of as right_images on right_images.fingerprint = pairs.r
left join shared on shared.l = pairs.l and shared.r = pairs.r
group by pairs.experiment, pairs.left_role, pairs.right_role
order by pairs.experiment, pairs.left_role, pairs.right_role;
