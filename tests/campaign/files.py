"""Hostile files of every other kind that is read: experiments, locks, manifests, answers, replies, models, hosts.

What is read is what was written, or an error names the file; anything else has failed.
"""

import json
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from model.config_limits import read_record
from model.whole_files import require_whole
from pipeline.compute.hosts import read_host_file
from pipeline.config.experiment import load_experiment
from pipeline.core.errors import PipelineError
from pipeline.evaluation.answers import kept_answers
from pipeline.evaluation.models.stored import read_answers
from pipeline.evaluation.rows import Item
from pipeline.store.artifacts import read_manifest
from pipeline.store.lockfile import SourceLock
from pipeline.store.manifest import Manifest, Request
from pipeline.tracking.outbox import Outbox
from tests.campaign.cases import LostError, changed
from tests.campaign.inputs import TEXTS, odd

FILES_AT_ONCE = 50
ITEMS = tuple(
    Item(benchmark="b", protocol="p", item_id=str(number), question="何。", reference="犬") for number in range(3)
)
SHA = "0" * 40
LOCK = {
    "a/b": {
        "where": "https://huggingface.co/a/b",
        "revision": SHA,
        "patterns": ["*.json"],
        "files": [{"path": "a.json", "num_bytes": 3, "sha256": "0" * 64}],
    }
}
EXPERIMENT = {"extends": "smoke", "name": "odd", "finetune": {"learning_rate": 0.001, "num_epochs": 1}}
CONFIG = {"model_type": "gpt2", "n_layer": 2, "n_embd": 8, "vocab_size": 99, "text_config": {"num_hidden_layers": 2}}
SPOOL = {"server": "http://h", "num_bytes": 0, "runs": {}}
YAML_ENDS = (
    "<<: &a [*a]\n", "finetune: {num_epochs: 2}\n", "a: &x [*x]\n", "? {a: b}\n: c\n", "name: 2020-13-45\n",
    "x: !!python/object/apply:os.system [true]\n", "---\na: b\n", "pretrain: {<<: {a: 1}, <<: {a: 2}}\n",
)  # fmt: skip
"""What YAML alone has."""
ANSWERS = [{"question_id": item.item_id, "text": "犬"} for item in ITEMS]


def files(chance: random.Random, folder: Path) -> Mapping[str, int]:
    """Files with odd values or faults in their bytes."""
    ends: dict[str, int] = {}
    for number in range(FILES_AT_ONCE):
        kind = chance.choice(sorted(KINDS))
        place = folder / str(number)
        place.mkdir()
        end = f"{kind} {_read(kind, chance, place)}"
        ends[end] = ends.get(end, 0) + 1
    return ends


def _read(kind: str, chance: random.Random, folder: Path) -> str:
    write, read = KINDS[kind]
    path = write(chance, folder)
    try:
        read(path)
    except Exception as error:
        if not isinstance(error, (PipelineError, *OTHER_ERRORS.get(kind, ()))):
            raise
        if path.name not in str(error) and str(folder) not in str(error):
            raise LostError(f"the error does not name {path}: {error}") from error
        return "refused by name"
    return "read"


def _json_file(name: str, value: Any, *, is_lines: bool = False) -> Callable[[random.Random, Path], Path]:
    def write(chance: random.Random, folder: Path) -> Path:
        hostile = value
        for _ in range(chance.choice((0, 1, 1, 2, 4))):
            hostile = odd(hostile, chance)
        rows = hostile if is_lines and isinstance(hostile, list) else [hostile]
        text = "\n".join(json.dumps(row, ensure_ascii=chance.random() < 0.5) for row in rows)
        content = text.encode("utf-8", "surrogatepass")
        path = folder / name
        path.write_bytes(changed(content, chance) if chance.random() < 0.3 else content)
        return path

    return write


def _experiment(chance: random.Random, folder: Path) -> Path:
    hostile: Any = EXPERIMENT
    for _ in range(chance.choice((0, 1, 1, 2))):
        hostile = odd(hostile, chance)
    try:
        text = yaml.safe_dump(hostile, allow_unicode=chance.random() < 0.5)
    except (yaml.YAMLError, RecursionError):
        text = str(hostile)
    if chance.random() < 0.2:
        text += chance.choice(YAML_ENDS)
    content = text.encode("utf-8", "surrogatepass")
    path = folder / "experiment.yaml"
    path.write_bytes(changed(content, chance) if chance.random() < 0.3 else content)
    return path


def _manifest(chance: random.Random, folder: Path) -> Path:
    request = Request(step="dataset", version=1, config={"a": chance.choice(TEXTS[:4])})
    directory = folder / request.address
    directory.mkdir(parents=True)
    manifest = Manifest(
        request=request, files=(), summary={"num": 1}, created_at="2026-01-01", duration_seconds=1.0, git_commit=None,
        versions={}, directory=directory,
    ).with_digest()  # fmt: skip
    value = json.loads(manifest.model_dump_json())
    for _ in range(chance.choice((0, 1, 2))):
        value = odd(value, chance)
    content = json.dumps(value).encode()
    (directory / "manifest.json").write_bytes(changed(content, chance) if chance.random() < 0.5 else content)
    return directory


def _weights(chance: random.Random, folder: Path) -> Path:
    header = {"a": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}, "__metadata__": {"format": "pt"}}
    hostile: Any = header
    for _ in range(chance.choice((0, 1, 2))):
        hostile = odd(hostile, chance)
    text = json.dumps(hostile).encode()
    content = len(text).to_bytes(8, "little") + text + bytes(16)
    if chance.random() < 0.5:
        content = changed(content, chance)
    (folder / "model.safetensors").write_bytes(content)
    return folder


def _hosts(chance: random.Random, folder: Path) -> Path:
    lines = [
        chance.choice(("localhost slots=2", "a slots=1", f"{chance.choice(TEXTS)} slots=1", "b slots=x", "c", "# d"))
        for _ in range(chance.randint(1, 4))
    ]
    content = "\n".join(lines).encode("utf-8", "surrogatepass")
    path = folder / "hosts"
    path.write_bytes(changed(content, chance) if chance.random() < 0.5 else content)
    return path


def _spool(chance: random.Random, folder: Path) -> Path:
    place = folder / "mlflow-outbox" / "1-1"
    place.mkdir(parents=True)
    _json_file("state.json", SPOOL)(chance, place)
    operations = [{"kind": "create", "run": "r", "values": {"name": "n", "parent": None, "tags": {}}, "time": 1}] * 2
    _json_file("operations.jsonl", operations, is_lines=True)(chance, place)
    return folder


def _deliver(folder: Path) -> None:
    for spool in Outbox(folder, server="http://h").abandoned():
        list(spool.waiting())


KINDS: Mapping[str, tuple[Callable[[random.Random, Path], Path], Callable[[Path], Any]]] = {
    "experiment": (_experiment, lambda path: load_experiment(str(path))),
    "lock": (_json_file("sources.lock.json", LOCK), lambda path: SourceLock(path.parent).read()),
    "manifest": (_manifest, read_manifest),
    "answers": (
        _json_file("answers.jsonl", ANSWERS, is_lines=True),
        lambda path: read_answers(path, items=ITEMS, all_items=ITEMS),
    ),
    "kept answers": (_json_file("kept.jsonl", ANSWERS, is_lines=True), kept_answers),
    "config": (_json_file("config.json", CONFIG), read_record),
    "weights": (_weights, require_whole),
    "hosts": (_hosts, read_host_file),
    "outbox": (_spool, _deliver),
}
OTHER_ERRORS: Mapping[str, tuple[type[Exception], ...]] = {"config": (ValueError,), "weights": (ValueError,)}
"""What the rooms that know nothing of the pipeline's errors raise."""
