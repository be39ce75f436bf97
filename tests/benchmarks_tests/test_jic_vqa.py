"""JIC-VQA's photos come from addresses of strangers: what can be had is asked, and the rest is named and counted."""

import io

import pytest
from PIL import Image

from pipeline.benchmarks import fetched_images
from pipeline.benchmarks.benchmark import PROBLEM
from pipeline.benchmarks.jic_vqa import BENCHMARK, domain_of
from pipeline.core import public_http
from pipeline.core.errors import TransientError
from tests.benchmarks_tests.test_eval_mm_prompts import VECTORS
from tests.support.hub_server import Trick, running_hub
from tests.support.small_data import picture


@pytest.fixture
def hub(monkeypatch):
    monkeypatch.setattr(public_http, "is_public", lambda _address: True)
    monkeypatch.setattr(fetched_images, "PAUSE_SECONDS", 0)
    with running_hub() as server:
        server.files |= {"/rose.png": picture(10), "/text.png": b"not an image"}
        yield server


def rows(folder, *urls: str):
    lines = [f"{number},{url},バラ,この画像の花は何ですか。" for number, url in enumerate(urls, start=7)]
    (folder / "t.csv").write_text("\n".join(["id,url,category,question", *lines]) + "\n", encoding="utf-8")
    return list(BENCHMARK.read([folder / "t.csv"], folder / "photos"))


@pytest.mark.parametrize("vector", VECTORS["jic-vqa"], ids=lambda vector: vector["doc"]["question"])
def test_the_first_word_that_is_in_the_question_decides_its_domain(vector):
    assert domain_of(vector["doc"]["question"]) == vector["domain"]


def test_a_question_without_any_word_has_no_domain():
    assert domain_of("これは何ですか。") is None


def test_photos_become_squares_whatever_their_shape_was(hub, tmp_path):
    ((record, contents),) = rows(tmp_path, f"{hub.cdn_url}/rose.png")
    with Image.open(io.BytesIO(contents[0])) as image:
        assert (image.format, image.size, image.mode) == ("JPEG", (224, 224), "RGB")
        assert set(image.quantization[0]) == {1}  # quality 100
    assert (record["id"], record["question"]) == ("7", "この画像の花は何ですか。")
    assert record["conversations"][1]["value"] == "バラ"
    assert record["scoring"] == {"domain": "jaflower30"}


def test_a_photo_that_cannot_be_had_is_a_record_that_says_why(hub, tmp_path):
    rose, gone, text = (f"{hub.cdn_url}/{name}.png" for name in ("rose", "gone", "text"))
    found = rows(tmp_path, rose, rose, gone, text)
    assert [record.get(PROBLEM) for record, _ in found] == [
        None,
        None,
        ["image_not_fetched", f"{gone}: the server answers 404"],
        ["image_not_fetched", f"{text}: not an image in a known format (JPEG, PNG, WEBP, GIF, BMP, TIFF)"],
    ]


def test_where_most_photos_may_come_later_it_is_the_network_and_what_came_is_kept(hub, tmp_path):
    rose, busy = f"{hub.cdn_url}/rose.png", f"{hub.cdn_url}/busy.png"
    hub.misbehave("/busy.png", *[Trick(status=503)] * 2 * fetched_images.ATTEMPTS)
    with pytest.raises(TransientError, match=r"2 of 3 images could not be fetched now, .* the server answers 503"):
        rows(tmp_path, rose, busy, f"{busy}?2")
    rows(tmp_path, rose)
    assert len(hub.asked("/rose.png")) == 1
