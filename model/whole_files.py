"""Sees whether the files of a model are what their names say, before a library reads them: one message names the file.

What people have in place of a file: a pointer of Git LFS, a web page, a download that broke off, nothing.
"""

import json
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from model.layer_counts import missing_layers

JSON_FILES = (
    *("config.json", "generation_config.json", "preprocessor_config.json", "processor_config.json"),
    *("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.json"),
    *("adapter_config.json", "chat_template.json"),
)
"""What is read of a model's folder, and of those below it, beside the weights."""
FOLDERS = (".", "llm", "tokenizer", "vision_tower", "adapter")
"""Where a model of ours has files."""
LFS_POINTER = b"version https://git-lfs"
WEB_PAGE = (b"<!doctype html", b"<html")


class ModelFolderError(ValueError):
    """A model folder cannot be read: what is wrong, and what to do."""


def require_whole(folder: Path, *, has_weights: bool = True) -> None:
    """Look at every file of a model that would be read. Of weights only the beginning is read, and the size compared.

    Args:
        folder: where the model lies; that a file is missing which no index names, its reader says.
        has_weights: false where the folder's tokenizer alone is used.

    Raises:
        ModelFolderError: one of them is not what its name says, or a file of an index is missing.
    """
    for place in FOLDERS:
        for path in (folder / place / name for name in JSON_FILES):
            if path.is_file():
                require_whole_json(path)
        weights = list(_weights(folder / place)) if has_weights else []
        for path in weights:
            require_whole_weights(path)
        _require_layers(folder / place, weights)


def _require_layers(folder: Path, weights: Sequence[Path]) -> None:
    """PyTorch's own files say what they hold in their index alone."""
    config = folder / "config.json"
    tensors = {name for path in weights if path.suffix == ".safetensors" for name in _header(path)}
    if weights and not tensors:
        for index in folder.glob("*.bin.index.json"):
            tensors |= set(json.loads(index.read_bytes())["weight_map"])
    if tensors and config.is_file() and (problem := missing_layers(require_whole_json(config), tensors)):
        raise ModelFolderError(f"{config} is not that of the weights beside it: {problem}; fetch both again")


def require_whole_weights(path: Path) -> None:
    """The same for one file of weights: safetensors, or PyTorch's own format."""
    start = _start(path)
    if path.suffix == ".safetensors":
        if problem := _problem_of_safetensors(path, start):
            raise _damaged(path, problem)
    elif start.startswith(b"PK") and not zipfile.is_zipfile(path):
        raise _damaged(path, "and its end is missing")


def require_whole_json(path: Path) -> object:
    """The content of a JSON file."""
    _start(path)
    try:
        content: object = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise _damaged(path, f"and is not JSON ({error})") from error
    return content


def _weights(folder: Path) -> Iterator[Path]:
    """The files of weights that would be read: one file, those of an index, or what lies there; PyTorch's own last."""
    if (single := folder / "model.safetensors").is_file():
        yield single
        return
    for kind in ("*.safetensors", "*.bin"):
        if indexes := sorted(folder.glob(f"{kind}.index.json")):
            for index in indexes:
                yield from _named_by(index)
            return
        if found := sorted(path for path in folder.glob(kind) if path.is_file()):
            yield from found
            return


def _named_by(index: Path) -> Iterator[Path]:
    content = require_whole_json(index)
    names = content.get("weight_map") if isinstance(content, dict) else None
    if not isinstance(names, dict) or not all(isinstance(name, str) for name in names.values()):
        raise _damaged(index, "and its weight_map, which says where each weight lies, is missing")
    for name in sorted(set(names.values())):
        path = index.parent / name
        if not path.is_file():
            raise ModelFolderError(
                f"{path} is missing, and {index.name} says that weights lie there; fetch the file again"
            )
        yield path


def _start(path: Path) -> bytes:
    """The beginning of a file; what no file of a model begins with is an error."""
    with path.open("rb") as file:
        start = file.read(1024)
    if not start:
        raise _damaged(path, "so it is empty")
    if start.startswith(LFS_POINTER):
        advice = "" if path.is_symlink() else "`git lfs pull` in its folder fetches that"
        raise _damaged(path, "it is a pointer of Git LFS and not the file", advice)
    if start.lstrip().lower().startswith(WEB_PAGE):
        advice = (
            "fetch it from the page's download link (…/resolve/… on the Hub), with HF_TOKEN where that is asked for"
        )
        raise _damaged(path, "it is a web page and not the file", advice)
    return start


def _problem_of_safetensors(path: Path, start: bytes) -> str:
    """What its size and its header say of each other; empty when they agree."""
    length, size = int.from_bytes(start[:8], "little"), path.stat().st_size
    if size < 8 + length:
        return f"and its header alone should have {length}: it was cut, or it is no safetensors file"
    try:
        tensors = _header(path)
        ends = [tensor["data_offsets"][1] for name, tensor in tensors.items() if name != "__metadata__"]
        needed = 8 + length + max(ends, default=0)
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        return "and its header is damaged"
    return "" if size == needed else f"and its header speaks of {needed}: it was cut or changed"


def _header(path: Path) -> Any:
    """What a safetensors file says of its tensors, by name."""
    with path.open("rb") as file:
        return json.loads(file.read(int.from_bytes(file.read(8), "little")))


def _again(path: Path) -> str:
    """How a file is had again; one in the cache of ``huggingface_hub`` is a link to its content."""
    if path.is_symlink():
        return f"delete {path.resolve()}, and it is fetched again"
    return "fetch the file again"


def _damaged(path: Path, problem: str, advice: str = "") -> ModelFolderError:
    advice = advice or _again(path)
    return ModelFolderError(f"{path} has {path.stat().st_size} bytes, {problem}; {advice}")
