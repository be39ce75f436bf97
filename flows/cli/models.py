"""The commands of ``llava-jp`` about a model: export, publish, chat."""

import sys
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from flows.cli.terminal import console, narrated
from model.config import Dtype, GenerationConfig
from pipeline.core.errors import ConfigError, DataError
from pipeline.core.settings import load_settings
from pipeline.core.wording import printable, size_text
from pipeline.evaluation.models.weights import ModelSource, open_model
from pipeline.planning.models import find_model
from pipeline.store.artifacts import ArtifactStore

if TYPE_CHECKING:
    from PIL.Image import Image

    from pipeline.release.chat import Chat

Model = Annotated[
    str,
    typer.Argument(help="An experiment, a fingerprint's first digits, a folder, or owner/name@revision on the Hub."),
]
ReleaseFormatOption = Annotated[
    Literal["llava-jp", "transformers", "gguf"],
    typer.Option(
        help="llava-jp comes with its code; transformers is Transformers' own LLaVA, for one scale; gguf: says why not."
    ),
]
SHOW = "/image "
"""What begins a line of a chat that shows an image."""
SavedDtype = Annotated[Literal["bfloat16", "float32"], typer.Option(help="Number format of the weights.")]


def export(
    model: Model,
    folder: Annotated[Path, typer.Argument(help="A new folder.")],
    form: ReleaseFormatOption = "llava-jp",
    dtype: SavedDtype = "bfloat16",
) -> None:
    """Write a model as a folder that Transformers loads: weights, processor, chat template, model card."""
    settings = load_settings()
    store, source = ArtifactStore(settings.store_root), find_model(model, settings)
    with narrated():
        _export(source, folder, form=form, dtype=dtype, store=store)
    num_bytes = sum(path.stat().st_size for path in folder.iterdir())
    console.print(f"{source.name}: {folder}, {size_text(num_bytes)}", soft_wrap=True, highlight=False, markup=False)


def publish(
    model: Model,
    repo: Annotated[str, typer.Argument(help="owner/name on the Hub; made when it does not exist.")],
    form: ReleaseFormatOption = "llava-jp",
    dtype: SavedDtype = "bfloat16",
    private: Annotated[bool, typer.Option("--private", help="Make a new repository private.")] = False,
) -> None:
    """Put an exported model on the Hugging Face Hub, in one commit. The token: from HF_TOKEN."""
    from pipeline.release.hub import publish_folder, require_access

    require_access(repo)  # before gigabytes are written
    settings = load_settings()
    store, source = ArtifactStore(settings.store_root), find_model(model, settings)
    store.root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".publish-", dir=store.root) as parent, narrated():
        folder = Path(parent) / repo.rpartition("/")[2]
        _export(source, folder, form=form, dtype=dtype, store=store, repo=repo)
        address = publish_folder(folder, repo, is_private=private, message=f"Model {source.name}")
    console.print(f"{source.name}: {address}", soft_wrap=True, highlight=False, markup=False)


def _export(
    source: ModelSource,
    folder: Path,
    *,
    form: Literal["llava-jp", "transformers", "gguf"],
    dtype: Literal["bfloat16", "float32"],
    store: ArtifactStore,
    repo: str | None = None,
) -> None:
    from pipeline.release.export import export_model
    from pipeline.tracking.mlflow.registry import trained_by

    run = trained_by(load_settings(), source.manifest) if source.manifest else None
    export_model(source, folder, form=form, dtype=dtype, store=store, repo=repo, mlflow_run=run)


def chat(
    model: Model,
    images: Annotated[
        list[Path] | None, typer.Argument(help="Any number of images; without one the model is asked text alone.")
    ] = None,
    question: Annotated[
        str | None, typer.Option("--question", "-q", help="Ask this one question and leave; - reads standard input.")
    ] = None,
    max_new_tokens: Annotated[int, typer.Option(min=1, help="Longest answer, in tokens.")] = 256,
    num_beams: Annotated[int, typer.Option(min=1, help="Beams; 1 is greedy, and answers come word by word.")] = 1,
    repetition_penalty: Annotated[float, typer.Option(min=0.01, help="1.0 is none.")] = 1.0,
    dtype: Annotated[
        Literal["float32", "bfloat16", "float16"], typer.Option(help="Number format in which the model answers.")
    ] = "float32",
) -> None:
    """Talk with a model about images. Ctrl-C stops an answer, Ctrl-D leaves.

    The images stand before the first question, or where it says <image>. A line `/image FILE` shows another one with
    the next question.
    """
    warnings.filterwarnings("ignore", module="transformers")
    decoded = [_decoded(image) for image in images or ()]
    asked_once = None if question is None else _one_question(question)
    source = find_model(model, load_settings())
    generation = GenerationConfig(
        max_new_tokens=max_new_tokens, num_beams=num_beams, repetition_penalty=repetition_penalty
    )
    started = _start(source, decoded, generation, dtype)
    if asked_once is not None:
        _print_answer(started, asked_once)
        return
    _print_heading(source, images or ())
    for asked in _questions():
        try:
            if asked.startswith(SHOW):
                started.show([_decoded(Path(asked.removeprefix(SHOW).strip()).expanduser())])
            else:
                _print_answer(started, asked)
        except ConfigError as error:  # another file or another question may do
            console.print(str(error), soft_wrap=True, highlight=False, markup=False)


def _decoded(path: Path) -> "Image":
    from pipeline.data.images import decode

    if not path.is_file():
        raise ConfigError(f"there is no image {path}")
    try:
        return decode(path.read_bytes())
    except (DataError, OSError) as error:
        raise ConfigError(f"{path} cannot be read as an image: {error}") from error


def _one_question(question: str) -> str:
    asked = (sys.stdin.read() if question == "-" else question).strip()
    if not asked:
        raise ConfigError("the question is empty" + (": nothing came from standard input" if question == "-" else ""))
    return asked


def _start(source: ModelSource, images: "Sequence[Image]", generation: GenerationConfig, dtype: Dtype) -> "Chat":
    with narrated():
        from pipeline.release.chat import Chat

        return Chat(open_model(source.intact_folder(), dtype=dtype), images, generation)


def _print_heading(source: ModelSource, images: Sequence[Path]) -> None:
    about = f" about {', '.join(map(str, images))}" if images else ""
    console.print(f"{source.name}{about}; Ctrl-D leaves", style="dim", soft_wrap=True, highlight=False, markup=False)


def _questions() -> Iterator[str]:
    """What the user types, line by line, until the end of the input."""
    if sys.stdin.isatty():
        import readline  # noqa: F401  # editing and history of lines, also of Japanese ones
    while True:
        try:
            asked = input("> " if sys.stdin.isatty() else "").strip()
        except (EOFError, KeyboardInterrupt):
            if sys.stdin.isatty():
                print()
            return
        if asked:
            yield asked


def _print_answer(chat: "Chat", question: str) -> None:
    """The answer as it comes; Ctrl-C stops it and keeps the conversation."""
    from pipeline.release.chat import PlaceholderError, TooLongError

    try:
        with closing(chat.answer(question)) as pieces:
            for piece in pieces:
                print(printable(piece), end="", flush=True)
    except KeyboardInterrupt:
        print(" …", end="")
    except PlaceholderError as error:
        raise ConfigError(str(error)) from error
    except TooLongError as error:
        raise DataError(str(error)) from error
    print(flush=True)
