-- One row per training record that could be read.
--
-- fingerprint       varchar   the dataset
-- sample_id         varchar   unique in its dataset
-- record_index      bigint    position in the source, from 0
-- source            varchar   where it comes from: the first folder of its image (coco, gqa, ...), text-only without one
-- image             varchar   path in the record, null for a text-only conversation; of several images the first one's
-- image_sha256      varchar   hash of the image's bytes
-- coco_id           bigint    number of the image in COCO, where the record or the path tells
-- visual_genome_id  bigint    number of the image in Visual Genome or GQA, where the record or the path tells
-- category          varchar   category of the record, if it has one
-- further_images    struct(image varchar, image_sha256 varchar, coco_id bigint, visual_genome_id bigint)[]  the images behind the first one, mostly none; see the view sample_images
-- turns             struct("role" varchar, "text" varchar, original varchar)[]  the conversation; see the view turns
with found as (
    select * from read_parquet(getvariable('samples'), filename = true, hive_partitioning = false, union_by_name = true)
    union all by name -- tables of before there were several images have no such column
    select
        null::struct(image varchar, image_sha256 varchar, coco_id bigint, visual_genome_id bigint)[] as further_images
    where false
)
select
    split_part(filename, '/', -2) as fingerprint,
    sample_id,
    record_index,
    "source",
    image,
    image_sha256,
    coco_id,
    visual_genome_id,
    category,
    coalesce(further_images, []) as further_images,
    turns
from found;
