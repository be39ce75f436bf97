-- One row per benchmark item and model that answered it.
--
-- fingerprint     varchar    the predictions artifact
-- benchmark       varchar    name of the benchmark
-- protocol        varchar    which questions of it were asked
-- item_id         varchar    unique in its benchmark
-- category        varchar    category of the item, if it has one
-- image_category  varchar    category of its image, if it has one
-- question_type   varchar    what it asks for: counting, colour, position, ...; see the macro question_type
-- answer_length   varchar    length of the expected answer in characters: 01-05, 06-15, 16-40, 41+
-- question        varchar    what was asked
-- reference       varchar    the expected answer
-- prediction      varchar    the model's answer, null when there is none
-- image_sha256    varchar    hash of the image's bytes; of several images the first one's
-- images_sha256   varchar[]  hashes of all images that the question shows, in order
-- error           varchar    why there is no answer
with found as (
    from read_parquet(
        getvariable('store') || '/artifacts/predictions/*/predictions.parquet',
        filename = true,
        hive_partitioning = false,
        union_by_name = true
    )
    union all by name -- tables of before an item could have several images have no such column
    select null::varchar[] as further_images_sha256
    where false
)
select
    split_part(filename, '/', -2) as fingerprint,
    benchmark,
    protocol,
    item_id,
    category,
    image_category,
    question_type(question) as question_type,
    answer_length(reference) as answer_length,
    question,
    reference,
    prediction,
    image_sha256,
    list_filter([image_sha256] || coalesce(further_images_sha256, []), lambda one: one is not null) as images_sha256,
    error
from found;
