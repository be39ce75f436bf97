"""Makes the features of a dataset complete: which images have none yet, in which shards they go, what is where at last.

What it writes:

    images.parquet  one row for every usable image of the dataset: its shard, or why it has no features
    shards.parquet  one row for every image of these shards, in order: what it takes to make a lost shard again
"""

import logging
import shutil
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from model.config import VisionTowerConfig
from pipeline.config.experiment import FeatureConfig
from pipeline.config.identity import Identities
from pipeline.core.errors import DataError, StoreError
from pipeline.core.files import write_text
from pipeline.core.parquet import groups, write_rows
from pipeline.data.image_reader import ImageReader
from pipeline.features.shard_requests import (
    STEP,
    encoded_images,
    encoder_description,
    encoder_fingerprint,
    failed_images,
    listed_images,
    other_libraries,
    shard_request,
    shards_of,
)
from pipeline.features.summaries import FeaturesSummary, ShardSummary
from pipeline.store.artifacts import WORK_FOLDER, ArtifactStore
from pipeline.store.manifest import Manifest, library_versions

log = logging.getLogger(__name__)

IMAGES_FILE = "images.parquet"
SHARDS_FILE = "shards.parquet"

CACHED_IMAGE_SCHEMA = pa.schema(
    [
        pa.field("image_sha256", pa.string(), nullable=False),
        pa.field("shard", pa.string()),
        pa.field("status", pa.string(), nullable=False),
        pa.field("reason", pa.string()),
    ]
)
"""``status`` is ``ok``, ``failed`` with a reason, or ``live`` where the trainer encodes."""

SHARD_SCHEMA = pa.schema(
    [
        pa.field("shard", pa.string(), nullable=False),
        pa.field("dataset", pa.string(), nullable=False),
        pa.field("image_sha256", pa.string(), nullable=False),
    ]
)


RunJob = Callable[[Path], None]
"""Runs a job file to its end; see ``pipeline.features.step.on_this_machine``."""


def read_shards(path: Path) -> dict[str, tuple[str, ...]]:
    """The images of every shard, by the shard's fingerprint, both in order."""
    shards: dict[str, list[str]] = {}
    for batch in pq.ParquetFile(path).iter_batches(columns=["shard", "image_sha256"]):
        for shard, key in zip(batch["shard"].to_pylist(), batch["image_sha256"].to_pylist(), strict=True):
            shards.setdefault(shard, []).append(key)
    return {shard: tuple(keys) for shard, keys in shards.items()}


class Filling:
    """What ``pipeline.features.step.cache_features`` does, for one encoder."""

    def __init__(
        self,
        tower: VisionTowerConfig,
        config: FeatureConfig,
        calibration: Manifest | None,
        store: ArtifactStore,
        run_job: RunJob,
    ) -> None:
        self._tower = tower
        self._config = config
        self._calibration = calibration
        self._store = store
        self._run_job = run_job
        self._encoder = encoder_description(tower, config, Identities(store.root))

    def fill(self, dataset: Manifest, directory: Path) -> FeaturesSummary:
        """Encode what is missing; write which shard holds which image. Returns the manifest's summary."""
        wanted = ImageReader([dataset]).usable()
        if self._config.form == "live":
            rows = [{"image_sha256": key, "status": "live"} for key in wanted]
            return self._write(rows, [], directory)
        with self._store.locked(f"encoder-{encoder_fingerprint(self._encoder)}"):
            cached = self._cached()
            missing = [key for key in wanted if key not in cached]
            planned = self._planned(missing, directory)
            log.info("features: %d of %d images are cached, %d to encode", *_counts(wanted, missing))
            if planned:
                self._say_what_differs()
                self._encode(planned, dataset, directory)
                cached = self._cached()
        failed = self._failed(planned)
        rows = [_image_row(key, cached, failed) for key in wanted]
        return self._write(rows, sorted({row["shard"] for row in rows}), directory)

    def encode_share(self, dataset: Manifest, directory: Path, *, part: int, num_parts: int) -> tuple[int, int]:
        """Encode the images of this part that no shard has been asked for yet; returns their number, and that of all.

        The part of an image follows from its sha256 alone: machines need not know of each other.
        """
        name = f"encoder-{encoder_fingerprint(self._encoder)}"
        with self._store.locked(name, is_shared=True):  # others may encode their parts, a whole run waits
            done = {key for shard in self._shards() for key in listed_images(shard)}
            missing = [key for key in ImageReader([dataset]).usable() if key not in done]
            own = [key for key in missing if int(key[:15], 16) % num_parts == part]
            if own:
                self._say_what_differs()
                self._encode(self._new_shards(own), dataset, directory)
        return len(own), len(missing)

    def restore(self, manifest: Manifest) -> bool:
        """Encode the shards of a finished artifact that are not in the store, and no others.

        Returns whether they hold again what the artifact says; an image may have gone or come back meanwhile.
        """
        lost = {part.removeprefix(f"{STEP}/") for part in self._store.missing_parts(manifest)}
        log.info("features %s: %d lost shards to encode again", manifest.fingerprint, len(lost))
        table = pq.read_table(manifest.path(SHARDS_FILE), filters=[("shard", "in", sorted(lost))])
        by_dataset: dict[str, dict[str, list[str]]] = {}
        for row in table.to_pylist():
            by_dataset.setdefault(row["dataset"], {}).setdefault(row["shard"], []).append(row["image_sha256"])
        for fingerprint, shards in by_dataset.items():
            try:
                dataset = self._store.by_fingerprint(fingerprint)
            except StoreError as error:
                raise DataError(
                    f"{len(shards)} lost shards hold images of the dataset {fingerprint}, which is not in "
                    f"{self._store.root} any more; run an experiment with that dataset first"
                ) from error
            directory = self._store.partial_directory(manifest.request)
            self._encode(shards, dataset, directory)
            shutil.rmtree(directory)
        return self.agrees(manifest, lost)

    def _say_what_differs(self) -> None:
        for library, versions in other_libraries(self._shards()).items():
            log.warning(
                "features: this cache was made with %s %s, this is %s: images that are encoded now may differ in "
                "their last bits; to have all from one, discard the cache or install that version",
                *(library, " and ".join(versions), library_versions()[library]),
            )

    def _shards(self) -> list[Manifest]:
        return list(shards_of(self._store, self._encoder, calibration=self._calibration))

    def _cached(self) -> dict[str, str]:
        """The shard of every image that has features; of an image in two shards, the first."""
        cached: dict[str, str] = {}
        for shard in self._shards():
            for key in encoded_images(shard):
                cached.setdefault(key, shard.fingerprint)
        return cached

    def _failed(self, planned: Iterable[str]) -> dict[str, tuple[str, str]]:
        """Shard and reason of every image that could not be encoded in the shards of this call."""
        failed: dict[str, tuple[str, str]] = {}
        for shard in self._shards():
            if shard.fingerprint in planned:
                failed |= {key: (shard.fingerprint, reason) for key, reason in failed_images(shard).items()}
        return failed

    def _planned(self, missing: Sequence[str], directory: Path) -> Mapping[str, Sequence[str]]:
        """The shards to make. The plan of an interrupted call stands as long as it is still what is missing."""
        plan_file = directory / WORK_FOLDER / SHARDS_FILE
        if plan_file.exists():
            planned = read_shards(plan_file)
            done = {shard for shard in planned if (self._store.root / "artifacts" / STEP / shard).exists()}
            still_open = {key for shard, keys in planned.items() if shard not in done for key in keys}
            if still_open <= set(missing) <= {key for keys in planned.values() for key in keys}:
                return planned
        return self._new_shards(missing)

    def _new_shards(self, missing: Sequence[str]) -> dict[str, list[str]]:
        return {
            shard_request(self._encoder, keys, calibration=self._calibration).fingerprint: keys
            for keys in groups(missing, self._config.images_per_shard)
        }

    def _encode(self, planned: Mapping[str, Sequence[str]], dataset: Manifest, directory: Path) -> None:
        from pipeline.features.encoding_job import EncodingJob  # torch is loaded only when there is work
        from pipeline.features.sizes import require_space

        dataset.require_intact()  # a share or a lost shard is encoded outside of the step
        if self._calibration is not None:
            self._calibration.require_intact()
        todo = self._to_make(planned)
        num_new = sum(len(keys) for shard, keys in planned.items() if shard in todo)
        require_space(self._tower, self._config, num_images=num_new, root=self._store.root)
        folder = directory / WORK_FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        rows = [
            {"shard": shard, "dataset": dataset.fingerprint, "image_sha256": key}
            for shard, keys in planned.items()
            for key in keys
        ]
        write_rows(folder / SHARDS_FILE, rows, schema=SHARD_SCHEMA)
        job = EncodingJob(
            vision_tower=self._tower,
            features=self._config,
            encoder=self._encoder,
            dataset=dataset.directory,
            calibration=self._calibration.directory if self._calibration else None,
            shards=folder / SHARDS_FILE,
            num_images=sum(map(len, planned.values())),
            store=self._store.root,
        )
        write_text(folder / "job.json", job.model_dump_json(indent=2))
        self._run_job(folder / "job.json")

    def _to_make(self, planned: Iterable[str]) -> set[str]:
        """The shards that are not there yet. One of whose images none could be read is forgotten and tried again."""
        published = {shard.fingerprint: shard for shard in self._shards()}
        for shard in planned:
            if shard in published and not ShardSummary.of(published[shard]).num_images:
                self._store.discard(published.pop(shard))
        return {shard for shard in planned if shard not in published}

    def agrees(self, manifest: Manifest, restored: Collection[str]) -> bool:
        """Whether the shards that were made again hold the images that ``images.parquet`` says."""
        table = pq.read_table(manifest.path(IMAGES_FILE), filters=[("shard", "in", sorted(restored))])
        encoded = {key for shard in self._shards() if shard.fingerprint in restored for key in encoded_images(shard)}
        rows = zip(table["image_sha256"].to_pylist(), table["status"].to_pylist(), strict=True)
        return all((key in encoded) == (status == "ok") for key, status in rows)

    def _write(self, rows: Sequence[Mapping[str, Any]], shards: Sequence[str], directory: Path) -> FeaturesSummary:
        write_rows(directory / IMAGES_FILE, rows, schema=CACHED_IMAGE_SCHEMA)
        published = {manifest.fingerprint: manifest for manifest in self._shards()}
        summaries = {shard: ShardSummary.of(published[shard]) for shard in shards}
        known = (
            {"shard": shard, "dataset": summary.dataset, "image_sha256": key}
            for shard, summary in summaries.items()
            for key in listed_images(published[shard])
        )
        write_rows(directory / SHARDS_FILE, known, schema=SHARD_SCHEMA)
        num_failed = sum(row["status"] == "failed" for row in rows)
        return FeaturesSummary(
            form=self._config.form,
            encoder=encoder_fingerprint(self._encoder),
            num_images=len(rows) - num_failed,
            num_failed=num_failed,
            num_not_finite=sum(summary.num_not_finite for summary in summaries.values()),
            num_shards=len(shards),
            payload_bytes=sum(summary.payload_bytes for summary in summaries.values()),
            parts=tuple(f"{STEP}/{shard}" for shard in shards),
        )


def _counts(wanted: Sequence[str], missing: Sequence[str]) -> tuple[int, int, int]:
    return len(wanted) - len(missing), len(wanted), len(missing)


def _image_row(key: str, cached: Mapping[str, str], failed: Mapping[str, tuple[str, str]]) -> dict[str, Any]:
    if key in cached:
        return {"image_sha256": key, "shard": cached[key], "status": "ok"}
    shard, reason = failed[key]
    return {"image_sha256": key, "shard": shard, "status": "failed", "reason": reason}
