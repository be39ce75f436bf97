-- One row per pair of a training image and a benchmark image that may show the same picture, and way in which they do:
-- as they are, without their borders, mirrored, or one of them cut at its sides.
--
-- image              the training image
-- benchmark          name of the benchmark
-- benchmark_image    the benchmark's image
-- distance           bits in which the hashes of the two, or of what was cut, differ
-- window             what is left of the picture that was cut, as pipeline/data/picture_signatures.py counts; 0 is all
-- is_mirrored        whether left and right of one are exchanged
-- levels             grey levels of the picture that was cut
-- colours            colours of the picture that was cut
-- other_levels       grey levels of the other
-- other_colours      colours of the other
--
-- The hashes see light and dark of the lowest frequencies only, so what is alike to them is compared again, grey levels
-- and colours: pipeline/data/contamination.py.
-- All pairs are compared; docs/data.md says how long that takes.
with training_parts as (
    select signature, unnest(hashes) as hash, generate_subscripts(hashes, 1) - 1 as window from training_signatures
),
training_wholes as (
    select signature, hashes[1] as hash, false as is_mirrored from training_signatures
    union all
    select signature, mirrored_hash, true from training_signatures
),
benchmark_parts as (
    select signature, unnest(hashes) as hash, generate_subscripts(hashes, 1) - 1 as window from benchmark_signatures
),
benchmark_wholes as (
    select signature, hashes[1] as hash, false as is_mirrored from benchmark_signatures
    union all
    select signature, mirrored_hash, true from benchmark_signatures
),
alike as (
    select
        parts.signature as training_signature,
        wholes.signature as benchmark_signature,
        true as is_training_cut,
        parts.window,
        wholes.is_mirrored,
        bit_count(xor(parts.hash, wholes.hash)) as distance
    from training_parts as parts
    join benchmark_wholes as wholes on bit_count(xor(parts.hash, wholes.hash)) <= getvariable('max_distance')
    union all
    select
        wholes.signature,
        parts.signature,
        false,
        parts.window,
        wholes.is_mirrored,
        bit_count(xor(parts.hash, wholes.hash))
    from training_wholes as wholes
    join benchmark_parts as parts on bit_count(xor(parts.hash, wholes.hash)) <= getvariable('max_distance')
    where parts.window > 0
)
select distinct
    training.image,
    benchmark_images.benchmark,
    benchmark_images.image as benchmark_image,
    alike.distance,
    alike.window,
    alike.is_mirrored,
    case when is_training_cut then ours.levels else theirs.levels end as levels,
    case when is_training_cut then ours.colours else theirs.colours end as colours,
    case when is_training_cut then theirs.levels else ours.levels end as other_levels,
    case when is_training_cut then theirs.colours else ours.colours end as other_colours
from alike
join training_signatures as ours on ours.signature = alike.training_signature
join benchmark_signatures as theirs on theirs.signature = alike.benchmark_signature
join training on training.image_sha256 = ours.image_sha256
join benchmark_images
    on benchmark_images.image_sha256 = theirs.image_sha256 and benchmark_images.benchmark = theirs.benchmark;
