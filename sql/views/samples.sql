-- One row per training record that could be read.
--
-- fingerprint       varchar   the dataset
-- sample_id         varchar   unique in its dataset
-- record_index      bigint    position in the source, from 0
-- source            varchar   where it comes from: the first folder of its image (coco, gqa, ...), text-only without one
-- image             varchar   path in the record, null for a text-only conversation
-- image_sha256      varchar   hash of the image's bytes
-- coco_id           bigint    number of the image in COCO, where the record or the path tells
-- visual_genome_id  bigint    number of the image in Visual Genome or GQA, where the record or the path tells
-- category          varchar   category of the record, if it has one
-- turns             struct("role" varchar, "text" varchar, original varchar)[]  the conversation; see the view turns
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
    turns
from read_parquet(getvariable('samples'), filename = true, hive_partitioning = false);
