"""Compares an artifact with its manifest, byte by byte."""

from collections.abc import Callable

from pipeline.core.files import files_below
from pipeline.core.hashing import sha256_of_file
from pipeline.store.manifest import MANIFEST_NAME, DamagedManifestError, Manifest, parse_manifest


def problems_of(manifest: Manifest, *, is_published: Callable[[str], bool]) -> tuple[str, ...]:
    """What is wrong with an artifact, one sentence each; empty when every byte is as published.

    ``is_published`` says whether the artifact at an address is there: parts are artifacts of their own, and here only
    those that are missing are said.
    """
    expected = {file.path: file for file in manifest.files}
    present = files_below(manifest.directory)
    present.pop(MANIFEST_NAME, None)
    problems = _problems_of_record(manifest)
    problems += [f"{name} is missing" for name in expected if name not in present]
    problems += [f"{name} does not belong to the artifact" for name in present if name not in expected]
    for name, path in present.items():
        if name in expected and sha256_of_file(path) != expected[name].sha256:
            problems.append(f"{name} changed: its sha256 is not {expected[name].sha256[:12]}…")
    problems += [
        f"its part {part} is missing; the next run of its experiment makes it again"
        for part in manifest.parts
        if not is_published(part)
    ]
    return tuple(problems)


def _problems_of_record(manifest: Manifest) -> list[str]:
    try:
        text = (manifest.directory / MANIFEST_NAME).read_bytes()
        record = parse_manifest(text, address=manifest.address, directory=manifest.directory)
    except FileNotFoundError:
        return [f"{MANIFEST_NAME} is missing"]
    except DamagedManifestError as error:
        return [f"{MANIFEST_NAME} is damaged: {error}"]
    is_same = record.content_digest == manifest.content_digest
    return [] if is_same else [f"{MANIFEST_NAME} is not the one that was published"]
