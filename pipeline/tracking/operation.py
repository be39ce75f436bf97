"""One thing to do in MLflow, and how it lies on the disk: a line of JSON with a checksum of its own."""

import json
import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from pipeline.core.hashing import sha256_of_json

HALF_A_PAIR = re.compile("[\ud800-\udfff]")
"""What neither a file nor MLflow holds; it is delivered as the text ``\\ud83d``."""
MAX_METRICS_PER_CALL = 1000
MAX_VALUES_PER_CALL = 100
"""MLflow's limits for the metrics, and for the parameters and the tags, of one call."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing to do in MLflow; ``run`` is our own id of the run, ``time`` is in milliseconds.

    Kinds and their values: ``create`` (name, parent, tags), ``log`` (metrics as key, value, time, step; params; tags),
    ``inputs`` (datasets), ``file`` (file below the spool, folder in MLflow), ``link`` (role, fingerprint, status),
    ``trace`` (one call of a model: see ``pipeline.evaluation.judge.traces``), ``register`` (a model: see
    ``pipeline.tracking.registration``), ``end`` (status), ``damaged`` (a line that cannot be read any more).
    """

    kind: str
    run: str
    values: dict[str, Any]
    time: int = field(default_factory=lambda: time.time_ns() // 1_000_000)

    def parts(self) -> tuple["Operation", ...]:
        """The same in two operations, of which one may be refused alone; none if it cannot be divided."""
        if self.kind == "create" and self.values.get("tags"):
            bare = replace(self, values={**self.values, "tags": {}})
            return bare, replace(self, kind="log", values={"tags": self.values["tags"]})
        if self.kind not in ("log", "inputs"):
            return ()
        single = [(name, one) for name, several in self.values.items() for one in _listed(several)]
        middle = len(single) // 2
        return (self._holding(single[:middle]), self._holding(single[middle:])) if middle else ()

    def _holding(self, single: Sequence[tuple[str, Any]]) -> "Operation":
        values = {
            name: type(several)(one for owner, one in single if owner == name)
            for name, several in self.values.items()
            if name in {owner for owner, _ in single}
        }
        return replace(self, values=values)

    def __str__(self) -> str:
        """What a message calls it: ``the metric 'loss'``."""
        names = {"metrics": "the metric", "params": "the parameter", "tags": "the tag", "datasets": "the dataset"}
        for name, several in self.values.items() if self.kind in ("log", "inputs") else ():
            first = next(iter(_listed(several)), None)
            if first is not None:
                return f"{names[name]} {str(first['name'] if name == 'datasets' else first[0])[:80]!r}"
        return f"{self.kind} {self.values.get('file', '')}".rstrip()


def _listed(several: Any) -> Iterable[Any]:
    """The single values of an operation: rows of a list, or pairs of a dictionary."""
    return several.items() if isinstance(several, dict) else several


def line_of(operation: Operation) -> str:
    """With a checksum of what will be read back."""
    row = json.loads(HALF_A_PAIR.sub(_escaped, json.dumps(asdict(operation), ensure_ascii=False)))
    return json.dumps({**row, "sha256": sha256_of_json(row)}, ensure_ascii=False) + "\n"


VALUE_TYPES = {"tags": dict, "params": dict, "metrics": list, "datasets": list}
"""Of the values that can be refused one by one."""


def operation_of(line: bytes) -> Operation:
    """What a line says, or that it is damaged; one without a checksum was written before there was one."""
    try:
        row = json.loads(line)
        sha256 = row.pop("sha256", None)
        operation = Operation(**row)
        types = tuple(map(type, row.values()))
        is_whole = types == (str, str, dict, int) and sha256 in (None, sha256_of_json(row))
        if is_whole and all(isinstance(row["values"].get(name, kind()), kind) for name, kind in VALUE_TYPES.items()):
            return operation
    except (ValueError, TypeError, AttributeError, RecursionError):
        pass
    return Operation("damaged", "", {"line": line.decode("utf-8", "backslashreplace")})


def _escaped(found: re.Match[str]) -> str:
    """In a string of JSON."""
    return f"\\\\u{ord(found[0]):04x}"


def joined(first: Operation, second: Operation) -> Operation | None:
    """Both in one call, if MLflow takes that much at once and the order stays."""
    if not first.kind == second.kind == "log" or first.run != second.run:
        return None
    metrics = [*first.values.get("metrics", []), *second.values.get("metrics", [])]
    params = {**first.values.get("params", {}), **second.values.get("params", {})}
    tags = {**first.values.get("tags", {}), **second.values.get("tags", {})}
    if len(metrics) > MAX_METRICS_PER_CALL or max(len(params), len(tags)) > MAX_VALUES_PER_CALL:
        return None
    return Operation("log", first.run, {"metrics": metrics, "params": params, "tags": tags}, first.time)
