-- One row per image path that the records of a dataset name; the bytes stay in their file.
--
-- fingerprint      varchar  the dataset
-- image            varchar  path in the record
-- image_sha256     varchar  hash of the image's bytes, null when there are none
-- perceptual_hash  bigint   64 bits that hardly change when the image is resized or encoded again, null when flat
-- file             varchar  where the image lies, null when the dataset holds it
-- format           varchar  file format as Pillow names it
-- width            integer  pixels
-- height           integer  pixels
-- status           varchar  ok, missing, outside_folder or unreadable
-- reason           varchar  why the image cannot be used
select
    split_part(filename, '/', -2) as fingerprint,
    image,
    image_sha256,
    perceptual_hash,
    file,
    format,
    width,
    height,
    status,
    reason
from read_parquet(
    getvariable('store') || '/artifacts/dataset/*/images.parquet', filename = true, hive_partitioning = false
);
