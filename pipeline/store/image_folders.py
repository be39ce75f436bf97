"""Where the images of datasets lie now. An artifact holds names below a folder; the folder may move, and is noted anew.

``image_folders/FINGERPRINT`` in the store is the folder's path, one inside the store relative to it.
"""

import os
from pathlib import Path

from pipeline.core.disk import explaining_full_disk
from pipeline.core.files import write_bytes
from pipeline.store.manifest import Manifest

FOLDER = "image_folders"


def note_image_folder(dataset: Manifest, folder: Path) -> None:
    """Remember where the images of a dataset lie.

    Raises:
        StoreError: the disk is full or not writable.
    """
    root = _store_of(dataset)
    place, start = Path(os.path.abspath(folder)), Path(os.path.abspath(root))
    content = os.fsencode(place.relative_to(start) if place.is_relative_to(start) else place)
    file = root / FOLDER / dataset.fingerprint
    if not file.is_file() or file.read_bytes() != content:
        with explaining_full_disk(dataset.request.step, root):
            file.parent.mkdir(exist_ok=True)
            write_bytes(file, content)


def image_folder_of(dataset: Manifest) -> Path | None:
    """Where the images of a dataset lie, as far as a run in this store has said."""
    root = _store_of(dataset)
    file = root / FOLDER / dataset.fingerprint
    return root / os.fsdecode(file.read_bytes()) if file.is_file() else None


def _store_of(artifact: Manifest) -> Path:
    """``artifacts/STEP/FINGERPRINT`` lies in it."""
    return artifact.directory.parents[2]
