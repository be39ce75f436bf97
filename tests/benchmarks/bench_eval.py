"""Questions a second: in batches and in several processes against one at a time, the same model on the same machine.

``python -m tests.benchmarks.bench_eval`` on a GPU takes the shapes of LLaVA-JP v1.1 (a GPT-2 of 24 layers and 2,048
channels, SigLIP so400m at 768 and 384 pixels) with random weights; without one it takes a small shape and says so.
Counted is everything from the decoded image to the text: pixels, tower, projector, generation with a KV cache. Every
question has an image of its own, so no features are shared. All weights are float32, as an evaluation reads them,
and the answers of the batches are compared with those of the questions asked alone.

A process takes seconds to start and to read the model, which counts: ``--processes`` shares ``--shared-questions``
among one for each device (two on a CPU, where one process uses all cores already), as an experiment does.

Random weights never end an answer: each has exactly ``--new-tokens`` tokens. Real answers differ in length, and a batch
waits for its longest; what that costs is not measured here.
"""

import argparse
import os
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import torch
from PIL import Image

from model.config import (
    BundledTokenizer,
    GenerationConfig,
    ImageConfig,
    LlmConfig,
    RandomLlm,
    RandomVisionTower,
    VisionTowerConfig,
)
from model.disk.checkpoint import CheckpointConfig, LoadedModel, save_model
from model.language_model import build_llm, load_tokenizer
from model.projector import Projector
from model.vision.tower import build_vision_tower
from model.vlm import VisionLanguageModel
from pipeline.compute.hosts import Host
from pipeline.compute.launch import launch
from pipeline.config.evaluation import BenchmarkConfig
from pipeline.config.experiment import TOKENIZER_FOLDER
from pipeline.data.prepare import prepare_dataset
from pipeline.evaluation.answers import Question
from pipeline.evaluation.models.checkpoint import CheckpointUnderTest
from pipeline.evaluation.predict import write_shared_predictions
from pipeline.features.cache import RunJob
from pipeline.store.artifacts import ArtifactStore
from tests.benchmarks.bench_encode import SO400M
from tests.benchmarks.machine import machine_line
from tests.support.small_data import encoded, local_source, talk

LLM: dict[str, Any] = {
    "hidden_size": 2048,
    "intermediate_size": 8192,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "max_position_embeddings": 2048,
}
TINY_LLM: dict[str, Any] = {
    "hidden_size": 128,
    "intermediate_size": 512,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "max_position_embeddings": 512,
}
TINY_TOWER = {
    "tile_size": 56,
    "patch_size": 14,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
}
TEXTS = (
    "何色ですか。",
    "この写真に写っているものを、できるだけ詳しく説明してください。",
    "何匹いますか。",
    "左の人は誰ですか。",
)
GOAL_ON_GPU = 8.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    on_gpu = torch.cuda.is_available()
    parser.add_argument("--questions", type=int, default=128 if on_gpu else 32, help="questions that are asked")
    parser.add_argument("--new-tokens", type=int, default=64 if on_gpu else 32, help="tokens of every answer")
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[8, 16, 32, 64] if on_gpu else [4, 16, 32])
    num_devices = torch.cuda.device_count() if on_gpu else 2
    parser.add_argument("--processes", type=int, nargs="+", default=sorted({1, num_devices}), help="that share them")
    parser.add_argument("--shared-questions", type=int, default=2000 if on_gpu else 128, help="shared by processes")
    arguments = parser.parse_args()
    if not on_gpu:
        print("no GPU here: a small model, which says nothing about the real one\n")
    with TemporaryDirectory(dir=os.environ.get("LLAVA_JP_BENCH_FOLDER")) as folder:
        write_model(Path(folder), on_gpu=on_gpu)
        generation = GenerationConfig(max_new_tokens=arguments.new_tokens)
        model = CheckpointUnderTest(Path(folder), generation)
        report(model, arguments.questions, arguments.batch_sizes, on_gpu=on_gpu, new_tokens=arguments.new_tokens)
        del model
        report_processes(Path(folder), generation, arguments)


def write_model(folder: Path, *, on_gpu: bool) -> None:
    """A model folder with random weights."""
    llm = RandomLlm(kind="random", model_type="gpt2", initializer_range=0.1, **(LLM if on_gpu else TINY_LLM))
    config = LlmConfig(weights=llm, tokenizer=BundledTokenizer(kind="bundled", name="shapes-ja"))
    tokenizer = load_tokenizer(config, bundled=TOKENIZER_FOLDER)
    shape = SO400M if on_gpu else TINY_TOWER
    weights = RandomVisionTower.model_validate({"kind": "random", **shape})
    tower = build_vision_tower(VisionTowerConfig(weights=weights, dtype="float32"))
    images = ImageConfig(image_size=2 * shape["tile_size"], scales=(1.0, 0.5))
    vlm = VisionLanguageModel(Projector(2 * tower.width, llm.hidden_size), build_llm(config, tokenizer)).eval()
    save_model(
        LoadedModel(CheckpointConfig(images=images, template="v1", vision_dtype="float32"), tower, vlm, tokenizer),
        folder,
    )


def report(
    model: CheckpointUnderTest, num_questions: int, batch_sizes: Sequence[int], *, on_gpu: bool, new_tokens: int
) -> None:
    """Measure and print a table."""
    images = [noise(number) for number in range(num_questions)]
    ask(model, images, min(batch_sizes), run="warm-up")
    alone_seconds, alone = ask(model, images, 1, run="alone")
    print(f"{machine_line()}; {num_questions} questions, {new_tokens} tokens an answer, float32\n")
    print("| questions at a time | questions/s | times | answers that differ |")
    print("|---:|---:|---:|---:|")
    print(f"| 1 | {num_questions / alone_seconds:.2f} | 1.0 | |")
    best = 0.0
    for size in batch_sizes:
        seconds, answers = ask(model, images, size, run=f"batches of {size}")
        num_others = sum(one != other for one, other in zip(answers, alone, strict=True))
        best = max(best, alone_seconds / seconds)
        print(f"| {size} | {num_questions / seconds:.2f} | {alone_seconds / seconds:.1f} | {num_others} |")
    if on_gpu:
        print(f"\ngoal: {GOAL_ON_GPU:.0f} times; {'reached' if best >= GOAL_ON_GPU else 'missed'} with {best:.1f}")


def report_processes(folder: Path, generation: GenerationConfig, arguments: argparse.Namespace) -> None:
    """Measure a whole ``predictions`` step with several processes, and print a table."""
    records = [
        talk(str(number), f"{number % 8}.png", TEXTS[number % len(TEXTS)], "猫")
        for number in range(arguments.shared_questions)
    ]
    photos = {f"{number}.png": encoded(noise(number)) for number in range(8)}
    source = local_source(folder, records, photos)
    benchmark = BenchmarkConfig(name="noise", source=source, metrics=("exact_match",))
    dataset = prepare_dataset(source, store=ArtifactStore(folder / "store"))
    print("\n| processes | questions/s, with their start | times | answers that differ |\n|---:|---:|---:|---:|")
    first: tuple[float, list[str | None]] | None = None
    for num_processes in arguments.processes:
        partial = folder / f"answers-{num_processes}"
        partial.mkdir()
        started = time.perf_counter()
        write_shared_predictions(
            folder,
            benchmark,
            generation,
            dataset=dataset,
            batch_size=max(arguments.batch_sizes),
            directory=partial,
            run_job=processes(num_processes),
        )
        seconds = time.perf_counter() - started
        said = pq.read_table(partial / "predictions.parquet")["prediction"].to_pylist()
        first = first or (seconds, said)
        num_others = sum(one != other for one, other in zip(said, first[1], strict=True))
        rate, times = len(said) / seconds, first[0] / seconds
        print(f"| {num_processes} | {rate:.2f} | {times:.1f} | {num_others} |")


def processes(count: int) -> RunJob:
    """Runs a job in so many processes of this machine."""

    def run(job_file: Path) -> None:
        launch(job_file, hosts=(Host("localhost", count),), master_port=None, seconds_to_stop=10)

    return run


def ask(
    model: CheckpointUnderTest, images: Sequence[Image.Image], size: int, *, run: str
) -> tuple[float, list[object]]:
    """Seconds for all questions, and the answers. The longest first, as an evaluation asks them."""
    asked = [
        Question(
            str(number), TEXTS[number % len(TEXTS)], (image,), (f"{run}-{number}",)
        )  # so that no features are kept
        for number, image in enumerate(images)
    ]
    asked.sort(key=lambda question: -len(question.text))
    answers: list[object] = []
    started = time.perf_counter()
    for start in range(0, len(asked), size):
        answers += model.answer(asked[start : start + size])
    return time.perf_counter() - started, answers


def noise(seed: int) -> Image.Image:
    """A photo's worth of pixels."""
    pixels = np.random.default_rng(seed).integers(0, 256, (480, 640, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


if __name__ == "__main__":
    main()
