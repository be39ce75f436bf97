-- One row per training image and benchmark image of the same COCO or Visual Genome id.
--
-- image            the training image
-- benchmark        name of the benchmark
-- benchmark_image  the benchmark's image
-- distance         bits in which the perceptual hashes differ, null when one is unknown
select distinct
    training.image,
    benchmark_images.benchmark,
    benchmark_images.image as benchmark_image,
    bit_count(xor(training.perceptual_hash, benchmark_images.perceptual_hash)) as distance
from training
join benchmark_images using (coco_id)
union
select distinct
    training.image,
    benchmark_images.benchmark,
    benchmark_images.image,
    bit_count(xor(training.perceptual_hash, benchmark_images.perceptual_hash))
from training
join benchmark_images using (visual_genome_id);
