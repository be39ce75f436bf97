-- One row per training image that looks like a benchmark image: the same picture at another size or quality.
--
-- image            the training image
-- benchmark        name of the benchmark
-- benchmark_image  the benchmark's image
-- distance         bits in which the perceptual hashes differ
--
-- The hash sees light and dark only, so pictures with much of one colour are alike to it: the mean colours of 4x4 fields
-- must agree as well, within 8 of 255 levels (root mean square). On photos, copies of a tenth of the quality or of 48
-- pixels differ by 4 bits and 4 levels at most, two different photos by 16 bits and 24 levels at least.
-- All pairs are compared: 650,000 images with the 563 of the article's benchmarks take a third of a second.
select distinct
    training.image,
    benchmark_images.benchmark,
    benchmark_images.image as benchmark_image,
    bit_count(xor(training.perceptual_hash, benchmark_images.perceptual_hash)) as distance
from training
join benchmark_images
    on bit_count(xor(training.perceptual_hash, benchmark_images.perceptual_hash)) <= getvariable('max_distance')
where array_distance(training.thumbnail::float[48], benchmark_images.thumbnail::float[48]) <= 8 * sqrt(48);
