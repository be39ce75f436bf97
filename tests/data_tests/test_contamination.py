"""Training images that are benchmark images are found whatever was done to their files; others are left alone."""

import io

import pyarrow.parquet as pq
import pytest
from PIL import Image

from pipeline.config.experiment import ContaminationConfig, ShapesJaSource, TranslationChecksConfig, load_experiment
from pipeline.core.errors import DataError
from pipeline.core.settings import load_settings
from pipeline.data.contamination import (
    contamination_line,
    contamination_request,
    contamination_rows,
    find_contamination,
    require_uncontaminated,
)
from pipeline.data.prepare import prepare_dataset
from pipeline.data.samples import coco_id, visual_genome_id
from pipeline.data.translation_checks import check_translations
from pipeline.planning.plan import plan_experiment
from pipeline.store.artifacts import ArtifactStore
from pipeline.store.sql_files import sql_files
from tests.support.shared_data import shared_data
from tests.support.small_data import encoded, local_source, talk


def photo_bytes(index: int) -> bytes:
    """One of the real photos, as it lies on the disk."""
    return sorted((shared_data() / "photos" / "images").glob("*.jpg"))[index].read_bytes()


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("LLAVA_JP_STORE", str(tmp_path / "store"))
    return ArtifactStore(tmp_path / "store")


def dataset(folder, store, images, **names):
    """One sample for each image; ``names`` are further samples without a file of their own."""
    records = [talk(name, path) for name, path in {**{name: name for name in images}, **names}.items()]
    folder.mkdir()
    return prepare_dataset(local_source(folder, records, images), store=store)


NO_CHECKS = TranslationChecksConfig(severities=dict.fromkeys(sql_files("checks/translation"), "ignore"))
"""Every sample is accepted, at once; what the checks find is not the question here."""


def contamination(store, training, benchmark, **config):
    accepted = check_translations(NO_CHECKS, dataset=training, store=store)
    section = ContaminationConfig(**config)
    return find_contamination(section, dataset=training, accepted=accepted, benchmarks={"wild": benchmark}, store=store)


def rows(manifest, name="contamination.parquet"):
    return pq.read_table(manifest.path(name)).to_pylist()


def photo(index: int) -> Image.Image:
    return Image.open(io.BytesIO(photo_bytes(index))).convert("RGB")


COPIES = {
    "other-quality.jpg": lambda image: encoded(image, "JPEG", quality=20),
    "half-size.jpg": lambda image: encoded(image.resize((image.width // 2, image.height // 2)), "JPEG"),
    "other-format.png": lambda image: encoded(image),
    "small.webp": lambda image: encoded(image.resize((224, 224)), "WEBP", quality=40),
    "tiny.png": lambda image: encoded(image.resize((64, 64))),
    "large.jpg": lambda image: encoded(image.resize((image.width * 2, image.height * 2)), "JPEG", quality=60),
}


@pytest.mark.parametrize("copy", COPIES)
def test_a_copy_of_another_size_format_or_quality_is_found_and_no_other_photo(tmp_path, store, copy):
    others = {f"other-{index}.jpg": photo_bytes(index) for index in range(1, 20)}
    training = dataset(tmp_path / "training", store, {copy: COPIES[copy](photo(0)), **others})
    benchmark = dataset(tmp_path / "benchmark", store, {"wild-0.jpg": photo_bytes(0)})
    (match,) = rows(contamination(store, training, benchmark))
    assert (match["image"], match["benchmark"], match["benchmark_image"]) == (copy, "wild", "wild-0.jpg")
    assert match["matched_by"] == "similar"
    assert match["distance"] <= 4


def test_the_same_bytes_under_another_name_are_found_in_both_ways(tmp_path, store):
    training = dataset(tmp_path / "training", store, {"a.jpg": photo_bytes(0)})
    benchmark = dataset(tmp_path / "benchmark", store, {"b.jpg": photo_bytes(0)})
    found = [(row["matched_by"], row["distance"]) for row in rows(contamination(store, training, benchmark))]
    assert found == [("same_bytes", 0), ("similar", 0)]


def test_a_turned_photo_is_found_by_what_its_exif_says(tmp_path, store):
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned by 90 degrees clockwise
    lying = encoded(photo(0).transpose(Image.Transpose.ROTATE_90), "JPEG", exif=exif)
    training = dataset(tmp_path / "training", store, {"a.jpg": lying})
    benchmark = dataset(tmp_path / "benchmark", store, {"b.jpg": photo_bytes(0)})
    assert [row["matched_by"] for row in rows(contamination(store, training, benchmark))] == ["similar"]


def test_a_sample_is_contaminated_by_any_of_its_images(tmp_path, store):
    images = {f"{name}.jpg": photo_bytes(index) for index, name in enumerate("abc")}
    records = [
        {"id": "second", "images": ["a.jpg", "b.jpg"], "conversations": talk("1", None)["conversations"]},
        {"id": "clean", "images": ["a.jpg", "c.jpg"], "conversations": talk("1", None)["conversations"]},
        talk("text", None),
    ]
    (tmp_path / "training").mkdir()
    training = prepare_dataset(local_source(tmp_path / "training", records, images), store=store)
    benchmark = dataset(tmp_path / "benchmark", store, {"wild.jpg": photo_bytes(1)})
    found = contamination(store, training, benchmark)
    assert {row["image"] for row in rows(found)} == {"b.jpg"}
    assert [row["sample_id"] for row in rows(found, "accepted.parquet")] == ["clean", "text"]
    summary = found.summary
    assert (summary["num_samples"], summary["num_contaminated"], summary["num_accepted"]) == (3, 1, 2)
    assert summary["num_samples_by_benchmark"] == {"wild": 1}


def test_images_of_one_colour_are_alike_only_by_their_bytes(tmp_path, store):
    grey, white = (encoded(Image.new("RGB", (40, 30), (level,) * 3)) for level in (100, 255))
    training = dataset(tmp_path / "training", store, {"a.png": grey, "b.png": white})
    benchmark = dataset(tmp_path / "benchmark", store, {"c.png": grey})
    assert [(row["image"], row["matched_by"]) for row in rows(contamination(store, training, benchmark))] == [
        ("a.png", "same_bytes")
    ]


def test_the_same_shapes_in_another_colour_are_another_picture(tmp_path, store):
    def square(colour):
        image = Image.new("RGB", (64, 64), (255, 255, 255))
        image.paste(colour, (8, 8, 40, 40))
        return encoded(image)

    training = dataset(tmp_path / "training", store, {"red.png": square((250, 40, 40))})
    benchmark = dataset(tmp_path / "benchmark", store, {"green.png": square((40, 160, 40))})
    assert rows(contamination(store, training, benchmark)) == []


def test_an_image_is_found_by_its_coco_or_visual_genome_id(tmp_path, store):
    def folder(name, images):
        for path in images:
            (tmp_path / name / "images" / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name / "images" / path).write_bytes(photo_bytes(images[path]))
        records = [talk(path, path) for path in images]
        return records, tmp_path / name

    records, place = folder("training", {"coco/train2017/000000000009.jpg": 0, "gqa/images/23.jpg": 1, "x/9.jpg": 2})
    training = prepare_dataset(local_source(place, records, {}), store=store)
    records, place = folder("benchmark", {"vg/VG_100K_2/23.jpg": 3, "b.jpg": 4})
    records[1]["coco_id"] = 9.0  # as the Hub's table holds it
    benchmark = prepare_dataset(local_source(place, records, {}), store=store)
    found = [
        (row["image"], row["benchmark_image"], row["matched_by"])
        for row in rows(contamination(store, training, benchmark))
    ]
    assert found == [
        ("coco/train2017/000000000009.jpg", "b.jpg", "same_picture_id"),
        ("gqa/images/23.jpg", "vg/VG_100K_2/23.jpg", "same_picture_id"),
    ]


def test_all_samples_on_a_contaminated_image_are_left_out_of_the_kept_ones(tmp_path, store):
    images = {"a.jpg": photo_bytes(0), "b.jpg": photo_bytes(1)}
    training = dataset(tmp_path / "training", store, images, again="a.jpg", text=None)
    benchmark = dataset(tmp_path / "benchmark", store, {"c.jpg": photo_bytes(0)})
    found = contamination(store, training, benchmark)
    assert [row["sample_id"] for row in rows(found, "accepted.parquet")] == ["b.jpg", "text"]
    summary = found.summary
    assert [summary[name] for name in ("num_samples", "num_contaminated", "num_accepted")] == [4, 2, 2]
    assert contamination_rows("pretrain", found) == [
        {
            "dataset": "pretrain",
            "benchmark": "wild",
            "same_bytes": 1,
            "same_picture_id": 0,
            "similar": 1,
            "any": 1,
            "num_samples": 2,
        }
    ]


def test_the_line_for_the_terminal_says_how_much_and_what_becomes_of_it(tmp_path, store):
    training = dataset(tmp_path / "training", store, {"a.jpg": photo_bytes(0), "b.jpg": photo_bytes(1)})
    found = contamination(store, training, dataset(tmp_path / "benchmark", store, {"c.jpg": photo_bytes(0)}))
    start = "training images that are benchmark images: 1 in wild; 1 samples on them are "
    assert contamination_line(found, is_excluded=True) == f"{start}left out of the training"
    assert contamination_line(found, is_excluded=False) == f"{start}kept; contamination.exclude leaves them out"
    require_uncontaminated({"finetune": found})


def test_a_training_set_that_is_all_benchmark_is_refused_when_it_is_to_be_left_out(tmp_path, store):
    training = dataset(tmp_path / "training", store, {"a.jpg": photo_bytes(0)})
    found = contamination(store, training, dataset(tmp_path / "benchmark", store, {"c.jpg": photo_bytes(0)}))
    with pytest.raises(DataError, match="dataset finetune: all 1 accepted samples are on images of the benchmarks"):
        require_uncontaminated({"finetune": found})


def test_drawn_scenes_are_not_compared_by_likeness(store):
    source = ShapesJaSource(kind="shapes-ja", content="captions", num_images=3, seed=0)
    images = pq.read_table(prepare_dataset(source, store=store).path("images.parquet"))
    assert images["perceptual_hash"].to_pylist() == [None] * 3


def test_a_smaller_distance_finds_less(tmp_path, store):
    training = dataset(tmp_path / "training", store, {"a.jpg": encoded(photo(5).resize((48, 48)), "JPEG", quality=10)})
    benchmark = dataset(tmp_path / "benchmark", store, {"b.jpg": photo_bytes(5)})
    (match,) = rows(contamination(store, training, benchmark, max_distance=6))
    assert match["distance"] > 0
    assert rows(contamination(store, training, benchmark, max_distance=0)) == []


def test_a_dataset_without_images_is_clean(tmp_path, store):
    training = dataset(tmp_path / "training", store, {}, text=None)
    benchmark = dataset(tmp_path / "benchmark", store, {"b.jpg": photo_bytes(0)})
    assert contamination(store, training, benchmark).summary["num_contaminated"] == 0


def test_excluding_changes_what_training_reads_and_nothing_before_it():
    plans = {}
    for exclude in ("false", "true"):
        config = load_experiment("smoke", [f"contamination.exclude={exclude}"])
        plans[exclude] = {str(step.role): step for step in plan_experiment(config, load_settings())}
    changed = {role for role in plans["true"] if plans["true"][role].fingerprint != plans["false"][role].fingerprint}
    assert changed == {"pretrain", "finetune", "predictions/shapes-ja", "scores/shapes-ja"}
    assert plans["true"]["pretrain"].request.inputs["accepted"] == plans["true"]["contamination/pretrain"].fingerprint
    assert plans["false"]["pretrain"].request.inputs["accepted"] == plans["false"]["translation/pretrain"].fingerprint


def test_another_benchmark_is_another_request():
    requests = [
        contamination_request(ContaminationConfig(), dataset="d", accepted="a", benchmarks=benchmarks).fingerprint
        for benchmarks in ({"wild": "w"}, {"wild": "w", "heron": "h"}, {"wild": "other"})
    ]
    assert len(set(requests)) == 3


@pytest.mark.parametrize(
    ("path", "coco", "visual_genome"),
    [
        ("coco/train2017/000000000009.jpg", 9, None),
        ("COCO_train2014_000000581929.jpg", 581929, None),
        ("images/000000000009.png", 9, None),
        ("vg/VG_100K/2354786.jpg", None, 2354786),
        ("VG_100K_2/7.jpg", None, 7),
        ("gqa/images/2354786.jpg", None, 2354786),
        ("gqa/images/n161313.jpg", None, None),
        ("00453/004539375.jpg", None, None),
        ("textvqa/train_images/0054c91397f2fe05.jpg", None, None),
        ("ocr_vqa/images/1437717772.jpg", None, None),
    ],
)
def test_ids_are_read_from_the_paths_of_the_published_sets(path, coco, visual_genome):
    assert (coco_id(path), visual_genome_id(path)) == (coco, visual_genome)
