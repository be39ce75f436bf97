"""Files of a folder by the names that records give them, wherever the folder lies."""

import os
from pathlib import Path, PurePosixPath
from unicodedata import normalize


def relative_name(name: str, folder: Path) -> str | None:
    """Where a name leads below ``folder``; None when it leads out.

    Only the name is compared, so it makes no difference how the folder is spelt (``../photos``). Of an absolute name
    both are normalised. Links below the folder are the user's own and may lead anywhere.
    """
    normal = os.path.normpath(name)
    if PurePosixPath(name).is_absolute():
        starts = (Path(os.path.normpath(folder)), Path(os.path.realpath(folder)))
        return next(
            (str(Path(normal).relative_to(start)) for start in starts if Path(normal).is_relative_to(start)), None
        )
    return None if normal == ".." or normal.startswith("../") else normal


class NamedFiles:
    """Finds files below a folder, also under a name that is composed otherwise (が, or か and ゛)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._listed: dict[str, dict[str, str]] = {}

    def find(self, name: str) -> str:
        """The name, as it was given or as the disk spells it, of the file at ``relative_name``."""
        if os.path.lexists(self.folder / name):
            return name
        place = ""
        for part in PurePosixPath(name).parts:
            spelt = self._names_in(place).get(normalize("NFC", part), part)
            place = f"{place}/{spelt}" if place else spelt
        return place

    def _names_in(self, place: str) -> dict[str, str]:
        if place not in self._listed:
            try:
                names = os.listdir(self.folder / place)
            except (OSError, ValueError):  # the latter of a name that no file can have
                names = []
            self._listed[place] = {normalize("NFC", name): name for name in names}
        return self._listed[place]
