import zipfile
from io import BytesIO

import pytest

from pipeline.core.errors import DataError
from pipeline.data.download.datasets import locate
from pipeline.data.download.fetch import fetch
from pipeline.data.download.hub import matches
from pipeline.store.sources import PublishedDataset, Source
from tests.support.hub_server import running_hub


@pytest.fixture
def fetched(tmp_path, monkeypatch):
    """Talks in Japanese and English on a Hub, photos and captions in zips on a server."""
    with running_hub() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        hub.add("datasets/team/talks", {"ja.jsonl": b"ja", "en.json": b"en", "images/1.jpg": b"1"})
        sources = [hub_source("talks", "ja.jsonl", "images/*.jpg"), hub_source("originals", "en.json")]
        for name, member in (("photos", "train2017/1.jpg"), ("captions", "captions.json")):
            content = BytesIO()
            with zipfile.ZipFile(content, "w") as archive:
                archive.writestr(member, b"-")
            hub.files[f"/{name}.zip"] = content.getvalue()
            sources.append(zip_source(name, f"{hub.cdn_url}/{name}.zip"))
        yield {source.name: source for source in fetch(sources, root=tmp_path)}


def hub_source(name: str, *files: str) -> Source:
    values = {"name": name, "what": "-", "kind": "hub_dataset", "repo": "team/talks", "licence": "-", "citation": "-"}
    return Source.model_validate({**values, "files": [{"name": file, "approximate_bytes": 9} for file in files]})


def zip_source(name: str, url: str) -> Source:
    unpacked = {"folder": name, "num_bytes": 9, "num_files": 1}
    file = {"name": f"{name}.zip", "url": url, "approximate_bytes": 9, "unpacked": unpacked}
    return Source.model_validate(
        {"name": name, "what": "-", "kind": "http", "licence": "-", "citation": "-", "files": [file]}
    )


def dataset(**fields) -> PublishedDataset:
    annotations = {"source": "talks", "file": "ja.jsonl"}
    values = {"name": "talks", "annotations": annotations, "num_records": 1, "num_images": 1}
    return PublishedDataset.model_validate({**values, **fields})


def test_records_originals_and_images_are_found(fetched, tmp_path):
    asked = dataset(originals={"source": "originals", "file": "en.json"}, images=("photos",), image_folder="photos")
    found = locate(asked, fetched, root=tmp_path)
    assert [path.read_bytes() for path in (*found.annotations, *found.originals)] == [b"ja", b"en"]
    assert (found.images / "train2017" / "1.jpg").is_file()


def test_images_beside_the_records_need_no_source_of_their_own(fetched, tmp_path):
    assert (locate(dataset(image_folder="images"), fetched, root=tmp_path).images / "1.jpg").read_bytes() == b"1"


def test_records_that_come_out_of_an_archive_are_found(fetched, tmp_path):
    annotations = {"source": "captions", "file": "captions/captions.json", "is_unpacked": True}
    found = locate(dataset(annotations=annotations), fetched, root=tmp_path)
    assert found.annotations == (tmp_path / "images" / "captions" / "captions.json",)


def test_a_file_that_an_archive_does_not_have_is_an_error_with_those_it_has(fetched, tmp_path):
    annotations = {"source": "captions", "file": "captions/other.json", "is_unpacked": True}
    with pytest.raises(DataError, match=r"captions has no captions/other.json; below .* there are: .*'captions.json'"):
        locate(dataset(annotations=annotations), fetched, root=tmp_path)


@pytest.mark.parametrize(
    ("pattern", "meant"),
    [
        ("*.parquet", ["test.parquet"]),
        ("data/test-*.parquet", ["data/test-0.parquet"]),
        ("**test**.parquet", ["test.parquet", "data/test-0.parquet", "a/b/x-test.parquet"]),
        ("**board**.parquet", ["board/train-0.parquet"]),
        ("**", ["test.parquet", "data/test-0.parquet", "a/b/x-test.parquet", "board/train-0.parquet", "t+.csv"]),
        ("**t+.csv", ["t+.csv"]),
    ],
)
def test_a_star_stays_in_a_folder_and_two_cross_folders(pattern, meant):
    names = ["test.parquet", "data/test-0.parquet", "a/b/x-test.parquet", "board/train-0.parquet", "t+.csv"]
    assert [name for name in names if matches(name, pattern)] == meant
