"""A model's answers to questions about images, in batches. The work of ``pipeline.predictions``."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from model.checkpoint import LoadedModel, load_model
from model.config import GenerationConfig
from model.conversation import encode_prompt, end_token_id
from model.s2 import join_scales
from model.vision_tower import pixels_of
from pipeline.errors import DataError
from pipeline.features.encoding import default_device, encode_pixels
from pipeline.images import ImageReader, decode
from pipeline.prediction_rows import Item, Prediction
from pipeline.progress import Progress
from pipeline.store import WORK_FOLDER, write_text


def answer_all(
    model_folder: Path,
    items: Sequence[Item],
    images: ImageReader,
    generation: GenerationConfig,
    batch_size: int,
    directory: Path,
) -> list[Prediction]:
    """Every item's answer, in order. Answered batches are kept in the partial directory for a restart."""
    model = load_model(model_folder, device=default_device())
    kept = directory / WORK_FOLDER / "answers.jsonl"
    kept.parent.mkdir(exist_ok=True)
    answers = [Prediction(**row) for row in _whole_lines(kept)]
    answers = answers[: len(answers) // batch_size * batch_size]  # a batch is answered whole or again
    write_text(kept, "".join(_line(answer) for answer in answers))
    progress = Progress("answer questions", total=len(items), unit="items", start=len(answers))
    with kept.open("a", encoding="utf-8") as file:
        for start in range(len(answers), len(items), batch_size):
            batch = _answer(model, items[start : start + batch_size], images, generation)
            file.write("".join(_line(answer) for answer in batch))
            file.flush()
            answers += batch
            progress.advance(len(batch))
    progress.finish()
    return answers


def _answer(
    model: LoadedModel, items: Sequence[Item], images: ImageReader, generation: GenerationConfig
) -> list[Prediction]:
    """One batch. An image that cannot be read fails its item alone."""
    pixels: dict[int, torch.Tensor] = {}
    errors: dict[int, str] = {}
    for index, item in enumerate(items):
        try:
            if item.image_sha256 is not None:
                image = decode(images.read(item.image_sha256))
                pixels[index] = pixels_of(image, image_size=model.config.images.image_size)
        except DataError as error:
            errors[index] = str(error)
    encoded = encode_pixels(model.vision_tower, list(pixels.values()), model.config.images) if pixels else []
    features = dict(zip(pixels, (join_scales(feature[None])[0] for feature in encoded), strict=True))
    answerable = [index for index in range(len(items)) if index not in errors]
    texts = dict(zip(answerable, _generate(model, items, answerable, features, generation), strict=True))
    return [item.answered(texts.get(index), errors.get(index)) for index, item in enumerate(items)]


def _generate(
    model: LoadedModel,
    items: Sequence[Item],
    answerable: Sequence[int],
    features: Mapping[int, torch.Tensor],
    generation: GenerationConfig,
) -> list[str]:
    if not answerable:
        return []
    tokenizer = model.tokenizer
    prompts = [
        encode_prompt(
            items[index].question, has_image=index in features, template=model.config.template, tokenizer=tokenizer
        )
        for index in answerable
    ]
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
    ids = model.vlm.generate(
        prompts,
        [features.get(index) for index in answerable],
        generation,
        eos_token_id=end_token_id(model.config.template, tokenizer),
        pad_token_id=pad,
    )
    return [text.strip() for text in tokenizer.batch_decode(ids, skip_special_tokens=True)]


def _line(answer: Prediction) -> str:
    return json.dumps(answer.row(), ensure_ascii=False) + "\n"


def _whole_lines(path: Path) -> list[dict[str, Any]]:
    """The rows of a JSONL file whose last line a crash may have cut."""
    if not path.exists():
        return []
    text = path.read_text(encoding="utf-8", errors="replace")
    return [json.loads(line) for line in text.split("\n")[:-1]]
