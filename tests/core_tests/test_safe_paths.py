"""Names from outside that no file system, or no program, can do anything with."""

import pytest

from pipeline.core.errors import DataError
from pipeline.core.safe_paths import safe_parts


def test_folders_a_thousand_deep_are_refused_in_one_short_sentence():
    with pytest.raises(DataError) as caught:
        safe_parts("d/" * 1000 + "photo.jpg", where="photos.tar")
    said = str(caught.value)
    assert "it has 1001 folders in each other, and 100 are the most; nothing is taken from it" in said
    assert len(said) < 400


def test_folders_as_deep_as_any_dataset_has_are_taken():
    assert len(safe_parts("d/" * 99 + "photo.jpg", where="photos.tar")) == 100
