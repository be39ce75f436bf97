"""The one door for names that come from outside and are joined to a path: they stay inside a folder.

Outside are archives, file lists and answers of servers, lock files and manifests that others wrote.
"""

import re
from pathlib import Path

from pipeline.core.errors import DataError

MOST_PARTS = 100
"""Deeper folders than any dataset has would be entered by functions that call themselves, and fail there."""
DRIVE = re.compile(r"^[A-Za-z]:")
UNPRINTABLE = re.compile(r"[\x01-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters, those that turn the direction of writing, and halves of surrogate pairs."""


def safe_parts(name: str, *, where: str) -> tuple[str, ...]:
    """The parts of a relative path with ``/``; empty parts and ``.`` are left out.

    ``where`` says in the error which archive or server the name comes from.

    Raises:
        DataError: the name is absolute, climbs with ``..``, or has a backslash, a drive letter, a NUL or a
            control character.
    """
    parts = tuple(part for part in name.split("/") if part not in ("", "."))
    problems = {
        "it is absolute": name.startswith("/"),
        "it climbs with '..'": ".." in parts,
        "it has a backslash": "\\" in name,
        "it has a drive letter": DRIVE.match(name) is not None,
        "it has a NUL": "\0" in name,
        "it has a control character": UNPRINTABLE.search(name) is not None,
        "it is empty": not parts,
        f"it has {len(parts)} folders in each other, and {MOST_PARTS} are the most": len(parts) > MOST_PARTS,
    }
    if reasons := [reason for reason, is_so in problems.items() if is_so]:
        raise DataError(
            f"{where}: {_short(name)} is not a path inside a folder: {', '.join(reasons)}; nothing is taken from it"
        )
    return parts


def is_plain_path(name: str) -> bool:
    """Whether ``safe_parts`` takes a name as it is written, without an empty part or ``.``."""
    try:
        return "/".join(safe_parts(name, where="")) == name
    except DataError:
        return False


def _short(name: str) -> str:
    return repr(name) if len(name) <= 200 else f"{name[:200]!r}…"


def place_of(name: str, folder: Path, *, where: str) -> Path:
    """The path of a file ``name`` inside ``folder``, which may be written: no link on the way leads out of it.

    Raises:
        DataError: the name leads out, or something else is in its place.
    """
    parts = safe_parts(name, where=where)
    refuse_links(folder, parts[:-1], where=where)
    path = folder.joinpath(*parts)
    if path.is_dir():
        raise DataError(f"{where}: {str(path)!r} is a folder, but a file must be written there; remove it")
    return path


def refuse_links(folder: Path, parts: tuple[str, ...], *, where: str) -> None:
    """Check that no folder on the way to ``parts`` below ``folder`` is a link or a file.

    Raises:
        DataError: one is; writing could end outside ``folder``.
    """
    current = folder
    for part in parts:
        current = current / part
        if current.is_symlink():
            raise DataError(
                f"{where}: {str(current)!r} is a link, so writing below it could end outside {folder}; remove it"
            )
        if current.exists() and not current.is_dir():
            raise DataError(f"{where}: {str(current)!r} is a file, but something must be written below it; remove it")
