"""Training samples: accepted conversations as token ids with labels."""

from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
from transformers import PreTrainedTokenizerBase

from model.config import TemplateName
from model.conversation import Encoded, Exchange, encode_conversation
from pipeline.features.sources import FeatureSource
from pipeline.samples import exchanges_of


@dataclass(frozen=True, slots=True)
class TrainingSample:
    """A tokenised conversation and the image it is about, if any."""

    sample_id: str
    encoded: Encoded
    image_sha256: str | None


@dataclass(frozen=True, slots=True)
class TrainingSamples:
    """What can be trained on, and how much of the accepted data cannot."""

    samples: tuple[TrainingSample, ...]
    num_without_features: int
    num_too_long: int
    num_shortened: int


def load_samples(
    samples_file: Path,
    accepted_file: Path,
    *,
    features: FeatureSource,
    tokenizer: PreTrainedTokenizerBase,
    template: TemplateName,
    max_length: int,
) -> TrainingSamples:
    """The accepted samples, tokenised. What does not fit is cut after a whole answer, or counted and left out."""
    accepted = set(pq.read_table(accepted_file).column("sample_id").to_pylist())
    ready: list[TrainingSample] = []
    num_without_features = num_too_long = num_shortened = 0
    for row in pq.read_table(samples_file, columns=["sample_id", "image_sha256", "turns"]).to_pylist():
        if row["sample_id"] not in accepted:
            continue
        image = row["image_sha256"]
        if image is not None and image not in features:
            num_without_features += 1
            continue
        exchanges = exchanges_of(row["turns"])
        room = max_length - (features.num_vision_tokens - 1 if image else 0)
        encoded, num_kept = _fitted(exchanges, image is not None, template, tokenizer, room)
        if encoded is None or not encoded.num_supervised:
            num_too_long += 1
            continue
        num_shortened += num_kept < len(exchanges)
        ready.append(TrainingSample(row["sample_id"], encoded, image))
    return TrainingSamples(tuple(ready), num_without_features, num_too_long, num_shortened)


def _fitted(
    exchanges: list[Exchange],
    has_image: bool,
    template: TemplateName,
    tokenizer: PreTrainedTokenizerBase,
    room: int,
) -> tuple[Encoded | None, int]:
    for num_kept in range(len(exchanges), 0, -1):
        encoded = encode_conversation(exchanges[:num_kept], has_image=has_image, template=template, tokenizer=tokenizer)
        if len(encoded.input_ids) <= room:
            return encoded, num_kept
    return None, 0
