"""Flipped, overwritten and cut bytes in every kind of file of a store that ``llava-jp run smoke`` made.

What reads the file then must give what it gave before, or an error that names the artifact: never other data.
"""

import os
import random
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline.comparison.step import compare
from pipeline.config.experiment import load_experiment
from pipeline.core.errors import PipelineError
from pipeline.core.settings import Settings
from pipeline.planning.plan import finished_experiment, plan_experiment
from pipeline.planning.steps import Machine, Step
from pipeline.store.artifacts import ArtifactStore
from pipeline.store.manifest import Manifest
from pipeline.store.queries import describe, files_read, query_names, run_query
from tests.campaign.cases import LostError, changed
from tests.support.commands import LLAVA_JP, Commands, clean_environment

EXPERIMENT = "smoke"
SHARD = "feature_shard"
SECONDS_PER_RUN = 1200
SELDOM = 0.05
"""Share of the damages to features, which only a training reads, in seconds."""

Read = Callable[[], Any]


def smoke_store(folder: Path) -> Path:
    """The store of an undisturbed run; it is made once."""
    store = folder / "store"
    if not (folder / "made").exists():
        commands = Commands(clean_environment(folder))
        done = commands.finished(*LLAVA_JP, "run", EXPERIMENT, seconds=SECONDS_PER_RUN, LLAVA_JP_STORE=str(store))
        if done.returncode:
            sys.exit(done.stdout + done.stderr)
        (folder / "made").touch()
    return store


def contents(store: Path) -> dict[str, Any]:
    """What each artifact of a store is, without when and in how long it was made."""
    return {manifest.address: content_of(manifest) for manifest in ArtifactStore(store).manifests()}


def content_of(manifest: Manifest) -> Any:
    """The same of one artifact."""
    return manifest.summary, {file.path: file.sha256 for file in manifest.files}


class DamagedStore:
    """A store in which one file at a time is damaged."""

    def __init__(self, root: Path) -> None:
        self.store = ArtifactStore(root)
        self.settings = Settings(store=root)
        self.plan = plan_experiment(load_experiment(EXPERIMENT), self.settings)
        self.machine = Machine(self.store, self.settings)
        self.manifests = {manifest.address: manifest for manifest in self.store.manifests()}
        self.made = {step.role: self.manifests[step.request.address] for step in self.plan}
        named = (name for name in query_names() if not any(one.is_required for one in describe(name).parameters))
        self.answers = {name: self._answer(name) for name in named}

    def case(self, chance: random.Random, folder: Path) -> Mapping[str, int]:
        """Damage one file, and let one of those who read it read it."""
        manifest, path = self._choose(chance)
        content = path.read_bytes()
        damaged = changed(content, chance)
        readers = [("verify", lambda: None), *self._readers(manifest, path.name)]
        name, read = chance.choice(readers[1:] or readers)
        path.write_bytes(damaged)
        try:
            self._require_found(manifest, path, is_other=damaged != content)
            with self._without(name, folder):
                read()
        except PipelineError as error:
            if manifest.fingerprint not in str(error):
                raise LostError(f"{path} damaged, {name}: the error names another thing: {error}") from error
            return {"named": 1}
        finally:
            path.write_bytes(content)
        return {"same result": 1}

    def _choose(self, chance: random.Random) -> tuple[Manifest, Path]:
        """A kind of file first, so that each is damaged as often."""
        kinds: dict[str, list[tuple[Manifest, Path]]] = {}
        for manifest in self.manifests.values():
            for name in ("manifest.json", *(file.path for file in manifest.files)):
                kind = f"{manifest.request.step}/{name}"
                kinds.setdefault(kind, []).append((manifest, manifest.directory / name))
        features = chance.random() < SELDOM
        names = sorted(kind for kind in kinds if (kind == f"{SHARD}/features.parquet") == features)
        return chance.choice(kinds[chance.choice(names)])

    def _readers(self, manifest: Manifest, file: str) -> Iterator[tuple[str, Read]]:
        """Who reads an artifact: the steps that take it, the comparison, the questions; by the address that is made."""
        for step in self.plan:
            inputs = [self.made[role] for role in step.reads]
            parts = {part for one in inputs for part in one.parts} if step.part == "train" else set()
            if manifest in inputs or manifest.address in parts:
                yield step.request.address, lambda step=step: self._make(step)
        if manifest.request.step in ("predictions", "scores"):
            (compared,) = (one for one in self.manifests.values() if one.request.step == "comparison")
            yield compared.address, lambda: self._same(self._compare(), compared)
        for name in self.answers:
            read = files_read(describe(name))
            if (manifest.request.step, file) in read or ("*", file) in read:
                yield f"query {name}", lambda name=name: self._ask(name)

    def _make(self, step: Step) -> None:
        self._same(step.make(self.made, self.machine), self.made[step.role])

    def _compare(self) -> Manifest:
        return compare([finished_experiment(load_experiment(EXPERIMENT), self.settings)], store=self.store)

    def _same(self, made: Manifest, before: Manifest) -> None:
        if content_of(made) != content_of(before):
            raise LostError(f"{before.address} was made of damaged data, and is another")

    def _answer(self, name: str) -> Any:
        return sorted(map(repr, run_query(name, store_root=self.store.root, parameters={}).rows))

    def _ask(self, name: str) -> None:
        if self._answer(name) != self.answers[name]:
            raise LostError(f"the answer of the query {name} is another")

    def _require_found(self, manifest: Manifest, path: Path, *, is_other: bool) -> None:
        """``verify`` finds every damage but another white space of a manifest."""
        if is_other and path.name != "manifest.json" and not self.store.verify(manifest):
            raise LostError(f"verify does not find the damage of {path}")

    @contextmanager
    def _without(self, address: str, folder: Path) -> Iterator[None]:
        """The artifact that is to be made again is put aside meanwhile."""
        directory, aside = self.store.root / "artifacts" / address, folder / "aside"
        if address not in self.manifests:  # a question
            yield
            return
        os.replace(directory, aside)
        try:
            yield
        finally:
            shutil.rmtree(directory, ignore_errors=True)
            shutil.rmtree(self.store.root / "partial" / address, ignore_errors=True)
            os.replace(aside, directory)
