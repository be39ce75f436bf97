"""What a push or a pull is to move, and what it moved."""

from collections.abc import Collection
from dataclasses import dataclass

from pipeline.core.wording import size_text
from pipeline.store.manifest import ArtifactFile, Manifest


@dataclass(frozen=True, slots=True)
class Moved:
    """What a push or a pull did; ``num_there`` artifacts were there already."""

    num_artifacts: int
    num_files: int
    num_bytes: int
    num_there: int


@dataclass(frozen=True, slots=True)
class Shipment:
    """An artifact that is not complete at its destination, and what is still to be moved."""

    manifest: Manifest
    files: tuple[ArtifactFile, ...]

    @property
    def num_bytes(self) -> int:
        return sum(file.num_bytes for file in self.files)


def moved_by(shipments: Collection[Shipment], *, num_artifacts: int) -> Moved:
    """The sum of some shipments of ``num_artifacts`` artifacts."""
    num_files = sum(len(shipment.files) for shipment in shipments)
    num_bytes = sum(shipment.num_bytes for shipment in shipments)
    return Moved(len(shipments), num_files, num_bytes, num_artifacts - len(shipments))


def described(moved: Moved, *, num_bytes_there: int) -> str:
    """What is about to be moved, in words."""
    there = f", {size_text(num_bytes_there)} of them moved before" if num_bytes_there else ""
    return (
        f"{moved.num_artifacts} artifacts, {moved.num_files} files, {size_text(moved.num_bytes)}{there}; "
        f"{moved.num_there} artifacts are complete"
    )
