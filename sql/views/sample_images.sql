-- One row per training record that could be read and image that it shows; none for a text-only conversation.
--
-- fingerprint       varchar  the dataset
-- sample_id         varchar  the sample
-- record_index      bigint   position of the sample in the source, from 0
-- source            varchar  where the sample comes from
-- image_index       bigint   position among the images of the sample, from 0
-- image             varchar  path in the record
-- image_sha256      varchar  hash of the image's bytes
-- coco_id           bigint   number of the image in COCO, where the record or the path tells
-- visual_genome_id  bigint   number of the image in Visual Genome or GQA, where the record or the path tells
with listed as (
    select split_part(filename, '/', -2) as fingerprint, sample_id, record_index, "source", further_images
    from (
        from read_parquet(getvariable('samples'), filename = true, hive_partitioning = false, union_by_name = true)
        union all by name -- tables of before a sample could have several images have no such column
        select
            null::struct(image varchar, image_sha256 varchar, coco_id bigint, visual_genome_id bigint)[]
                as further_images
        where false
    )
    where len(further_images) > 0
),
further as (
    select *, unnest(further_images) as shown, generate_subscripts(further_images, 1) as image_index
    from listed
)
select
    fingerprint,
    sample_id,
    record_index,
    "source",
    0::bigint as image_index,
    image,
    image_sha256,
    coco_id,
    visual_genome_id
from samples
where image is not null
union all
select
    fingerprint,
    sample_id,
    record_index,
    "source",
    image_index,
    shown.image,
    shown.image_sha256,
    shown.coco_id,
    shown.visual_genome_id
from further;
