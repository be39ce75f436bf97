import errno
import re

import pytest

from pipeline.benchmarks.known import KNOWN_BENCHMARKS
from pipeline.core.disk import explaining_full_disk
from pipeline.core.errors import ConfigError, StoreError
from pipeline.core.safe_paths import safe_parts
from pipeline.core.wording import size_text
from pipeline.data.download.registry import (
    find_dataset,
    find_source,
    known_datasets,
    known_sources,
    read_registry,
    sources_of,
)

SOURCES = tuple(known_sources().values())
DATASETS = tuple(known_datasets().values())


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_every_source_says_what_a_user_must_know(source):
    assert source.what
    assert source.licence
    assert source.citation
    assert source.approximate_bytes > 0


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_a_source_is_pinned_by_a_commit_or_at_the_first_fetch_but_never_by_a_branch(source):
    assert source.revision is None or re.fullmatch(r"[0-9a-f]{40}", source.revision)
    for file in source.files:
        assert not re.search(r"/(main|resolve)/", file.url or "")


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_a_licence_that_forbids_commercial_use_is_marked(source):
    if re.search(r"\bNC\b|non-commercial|for research", source.licence):
        assert source.is_non_commercial


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_files_and_archives_stay_inside_their_folders(source):
    for file in source.files:
        assert safe_parts(file.name, where=source.name)
        assert file.unpacked is None or safe_parts(file.unpacked.folder, where=source.name)


@pytest.mark.parametrize("dataset", DATASETS, ids=lambda dataset: dataset.name)
def test_a_dataset_reads_files_that_its_sources_have(dataset):
    for wanted in (dataset.annotations, dataset.originals):
        if wanted is None:
            continue
        source = find_source(wanted.source)
        if wanted.is_unpacked:
            assert any(file.unpacked and wanted.file.startswith(f"{file.unpacked.folder}/") for file in source.files)
        else:
            assert wanted.file in {file.name for file in source.files}


@pytest.mark.parametrize("dataset", DATASETS, ids=lambda dataset: dataset.name)
def test_the_image_folder_of_a_dataset_is_filled_by_its_image_sources(dataset):
    folders = {file.unpacked.folder for name in dataset.images for file in find_source(name).files if file.unpacked}
    first = dataset.image_folder.partition("/")[0]
    own = {file.name.partition("/")[0] for file in find_source(dataset.annotations.source).files}
    is_filled_when_read = dataset.name in KNOWN_BENCHMARKS and KNOWN_BENCHMARKS[dataset.name].loses_images
    assert not first or folders == {first} or (not folders and first in own) or is_filled_when_read


def test_the_articles_finetuning_images_lie_as_llava_lays_them_out():
    dataset = find_dataset("llava-instruct-620k-ja")
    assert dataset.image_folder == ""
    assert dataset.images == ("coco-train2017", "gqa-images", "ocr-vqa-images", "textvqa-images", "vg-images")
    folders = {file.unpacked.folder for name in dataset.images for file in find_source(name).files if file.unpacked}
    assert folders == {"coco", "gqa", "ocr_vqa", "textvqa", "vg"}


def test_every_source_belongs_to_a_dataset_or_is_a_model():
    used = {name for dataset in DATASETS for name in dataset.source_names()}
    models = {source.name for source in SOURCES if source.kind == "hub_model"}
    assert set(known_sources()) == used | models | {"lid-176"}  # of a metric


def test_sources_of_some_datasets_come_once_each():
    names = [source.name for source in sources_of(["stair-captions", "llava-instruct-150k-ja"])]
    assert names == ["stair-captions", "coco-train2014", "llava-instruct-150k-ja", "llava-instruct-150k-originals"]


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(ConfigError, match=r"no source is named 'coco'; there are: cc-ocr, cc3m.*, vg-images"):
        find_source("coco")
    with pytest.raises(ConfigError, match=r"no published dataset is named 'coco'; there are: cc-ocr, cc3m-595k-ja, "):
        sources_of(["coco"])


REGISTRY = """
sources:
  talks:
    what: talks
    kind: hub_dataset
    repo: team/talks
    files: [{name: a.jsonl, approximate_bytes: 1}]
    licence: CC BY 4.0
    citation: us
datasets:
  talks: {annotations: {source: talks, file: a.jsonl}, num_records: 1, num_images: 1}
"""


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("source: talks", "source: walks", r"names sources that are not listed: \{'walks'\}"),
        (
            "repo: team/talks",
            "repo: team/talks\n    revision: main",
            r"talks in sources.yaml is not valid:\n  revision:",
        ),
        ("kind: hub_dataset", "kind: http", r"a Hub source has a repo, an http source has none"),
        ("approximate_bytes: 1", "approximate_bytes: 1, url: http://a/b", r"a file of a Hub source has none"),
        ("licence:", "license:", r"license: Extra inputs"),
    ],
)
def test_a_wrong_entry_is_explained(old, new, message):
    assert set(read_registry(REGISTRY)[0]) == {"talks"}
    with pytest.raises(ConfigError, match=message):
        read_registry(REGISTRY.replace(old, new))


def test_a_full_disk_says_what_to_do(tmp_path):
    message = rf"the download cannot write to {tmp_path}: No space left on device \(.* free\). Free some space"
    with pytest.raises(StoreError, match=message), explaining_full_disk("the download", tmp_path):
        raise OSError(errno.ENOSPC, "no space")
    with pytest.raises(ConnectionResetError), explaining_full_disk("the download", tmp_path):
        raise ConnectionResetError


@pytest.mark.parametrize(
    ("num_bytes", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (999_999, "1.0 MB"),
        (27_400_000_000, "27.4 GB"),
        (1_870_000_000_000, "1.87 TB"),
    ],
)
def test_sizes_are_written_as_download_pages_write_them(num_bytes, text):
    assert size_text(num_bytes) == text
