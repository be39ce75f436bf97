"""A photo is known again after what people and their programs do to photos, and no other photo is taken for it."""

import io

import pyarrow.parquet as pq
import pytest
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from pipeline.config.experiment import ContaminationConfig, TranslationChecksConfig
from pipeline.data.contamination import find_contamination
from pipeline.data.image_table import SIGNATURES_FILE
from pipeline.data.picture_signatures import have_other_colours, likeness, signatures_of
from pipeline.data.prepare import prepare_dataset
from pipeline.data.same_pictures import SAME_LEVELS
from pipeline.data.translation_checks import check_translations
from pipeline.store.artifacts import ArtifactStore
from pipeline.store.sql_files import sql_files
from tests.support.shared_data import shared_data
from tests.support.small_data import encoded, local_source, talk

MAX_DISTANCE = ContaminationConfig().max_distance


def cut(left, top, right, bottom):
    def change(image):
        w, h = image.size
        return image.crop((round(w * left), round(h * top), round(w * (1 - right)), round(h * (1 - bottom))))

    return change


def squared(colour):
    def change(image):
        side = max(image.size)
        square = Image.new("RGB", (side, side), colour)
        square.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
        return square

    return change


def gamma(exponent):
    table = [round(255 * (level / 255) ** exponent) for level in range(256)] * 3
    return lambda image: image.point(table)


def saved(image, **options):
    return Image.open(io.BytesIO(encoded(image, "JPEG", **options))).convert("RGB")


CHANGES = {
    "20 % brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.2),
    "20 % darker": lambda image: ImageEnhance.Brightness(image).enhance(0.8),
    "gamma 0.7": gamma(0.7),
    "gamma 1.5": gamma(1.5),
    "more contrast": lambda image: ImageEnhance.Contrast(image).enhance(1.5),
    "less contrast": lambda image: ImageEnhance.Contrast(image).enhance(0.6),
    "saturated": lambda image: ImageEnhance.Color(image).enhance(2),
    "pale": lambda image: ImageEnhance.Color(image).enhance(0.3),
    "grey": lambda image: image.convert("L").convert("RGB"),
    "padded as LLaVA does": squared((122, 116, 104)),
    "padded with black": squared((0, 0, 0)),
    "white border": lambda image: ImageOps.expand(image, 24, (255, 255, 255)),
    "white border as JPEG": lambda image: saved(ImageOps.expand(image, 24, (255, 255, 255)), quality=60),
    "mirrored": ImageOps.mirror,
    "cropped on all sides": cut(0.05, 0.05, 0.05, 0.05),
    "cropped on the left": cut(0.1, 0, 0, 0),
    "cropped at the bottom": cut(0, 0, 0, 0.1),
    "cropped in a corner": cut(0, 0.1, 0.1, 0),
    "336 pixels": lambda image: image.resize((336, 336)),
    "48 pixels": lambda image: image.resize((48, 48)),
    "JPEG of low quality": lambda image: saved(image, quality=10),
    "blurred": lambda image: image.filter(ImageFilter.GaussianBlur(4)),
}


def photos(step):
    files = sorted((shared_data() / "photos" / "images").glob("*.jpg"))[::step]
    return [Image.open(file).convert("RGB") for file in files]


def distance(left, right):
    """Bits in which two pictures differ by the closest of their hashes that grey levels and colours confirm, or 99."""
    found = [99]
    for one, other in [(a, b) for a in left for b in right] + [(b, a) for a in left for b in right]:
        for is_mirrored, whole in ((False, other.hashes[0]), (True, other.mirrored_hash)):
            for window, part in enumerate(one.hashes):
                bits = ((part ^ whole) & (2**64 - 1)).bit_count()
                if bits <= MAX_DISTANCE and not have_other_colours(one.colours, other.colours, is_mirrored=is_mirrored):
                    like = likeness(one.levels, other.levels, window=window, is_mirrored=is_mirrored)
                    found += [bits] if like >= SAME_LEVELS else []
    return min(found)


@pytest.mark.parametrize("change", CHANGES)
def test_some_photos_are_known_again(change):
    known = [distance(signatures_of("a", CHANGES[change](one)), signatures_of("b", one)) for one in photos(19)]
    assert [bits <= MAX_DISTANCE for bits in known] == [True] * 4


@pytest.mark.long
@pytest.mark.parametrize("change", CHANGES)
def test_at_least_74_of_76_photos_are_known_again(change):
    known = [distance(signatures_of("a", CHANGES[change](one)), signatures_of("b", one)) for one in photos(1)]
    assert len(known) == 76
    assert sum(bits <= MAX_DISTANCE for bits in known) >= 74


@pytest.mark.long
def test_none_of_the_2850_pairs_of_different_photos_is_alike():
    signatures = [signatures_of(str(number), one) for number, one in enumerate(photos(1))]
    pairs = [(left, right) for place, left in enumerate(signatures) for right in signatures[:place]]
    assert len(pairs) == 2850
    assert [distance(left, right) for left, right in pairs] == [99] * 2850


def test_borders_are_trimmed_and_the_whole_is_kept_as_well():
    noise = Image.effect_noise((60, 30), 80).convert("RGB")
    assert len(signatures_of("a", noise)) == 1
    assert len(signatures_of("a", squared((255, 255, 255))(noise))) == 2
    assert signatures_of("a", Image.new("RGB", (40, 30), (9, 9, 9))) == []


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("LLAVA_JP_STORE", str(tmp_path / "store"))
    return ArtifactStore(tmp_path / "store")


def prepared(folder, store, images):
    folder.mkdir()
    return prepare_dataset(local_source(folder, [talk(name, name) for name in images], images), store=store)


def found(store, training, benchmark):
    ignored = TranslationChecksConfig(severities=dict.fromkeys(sql_files("checks/translation"), "ignore"))
    accepted = check_translations(ignored, dataset=training, store=store)
    manifest = find_contamination(
        ContaminationConfig(), dataset=training, accepted=accepted, benchmarks={"wild": benchmark}, store=store
    )
    rows = pq.read_table(manifest.path("contamination.parquet")).to_pylist()
    return [(row["image"], row["benchmark_image"], row["matched_by"]) for row in rows]


def test_changed_copies_are_found_whichever_of_the_two_was_changed(tmp_path, store):
    first, second, *others = photos(15)
    changes = ("mirrored", "cropped on the left", "padded as LLaVA does", "grey")
    copies = {f"{change}.png": encoded(CHANGES[change](first)) for change in changes}
    training = prepared(tmp_path / "a", store, copies | {"b.png": encoded(second), "c.png": encoded(others[0])})
    changed = encoded(CHANGES["cropped in a corner"](second))
    benchmark = prepared(tmp_path / "b", store, {"first.png": encoded(first), "second.png": changed})
    expected = [(name, "first.png", "similar") for name in sorted(copies)] + [("b.png", "second.png", "similar")]
    assert found(store, training, benchmark) == expected


def test_a_dataset_of_an_earlier_version_has_no_signatures_and_they_are_made(tmp_path, store):
    first, second, *_ = photos(15)
    benchmark = prepared(tmp_path / "b", store, {"first.png": encoded(first)})
    training = prepared(tmp_path / "a", store, {"a.png": encoded(ImageOps.mirror(first)), "b.png": encoded(second)})
    old = training.model_copy(update={"files": tuple(file for file in training.files if file.path != SIGNATURES_FILE)})
    old.path("images.parquet")
    training.path(SIGNATURES_FILE).unlink()
    assert found(store, old, benchmark) == [("a.png", "first.png", "similar")]
