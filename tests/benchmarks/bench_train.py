"""How fast a stage trains, against the original recipe on the same device in the same run.

``python -m tests.benchmarks.bench_train`` on a GPU takes the shapes of v1.1 with random weights: llm-jp-1.3b (GPT-2),
SigLIP so400m at 768 and 384 pixels, 729 x 2,304 features from shards on the local disk, up to 1,532 tokens, the global
batches of the article. Without a GPU it takes tiny shapes and says so. Every line is a process of its own:

    original  ``tests.benchmarks.train_original``, which says what makes it that
    ours      the pipeline's own optimizer steps on a DeepSpeed engine, from shards to updated weights, with the largest
              micro-batch that ``llava-jp show`` predicts to fit 24 GiB

MFU has one numerator for both (``pipeline.compute.flops``): the work that the result needs.
"""

import argparse
import json
import os
import socket
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import get_args

import torch

from model.config import Stage
from pipeline.compute.flops import Work, sum_of_squares, training_flops
from pipeline.compute.gpus import device_peak
from pipeline.compute.launch import RUN_MODULE
from pipeline.training.sampler import global_batches, micro_batches, num_padded_tokens
from pipeline.training.throughput import peak_memory_bytes
from tests.benchmarks.machine import machine_line
from tests.benchmarks.sample_lengths import Lengths, caption_lengths, conversation_lengths
from tests.benchmarks.train_shapes import (
    REAL,
    TINY,
    Samples,
    Shapes,
    chosen_config,
    memory_request,
    stage_of,
    write_features,
)

MEMORY_GIB = 24
"""Of the device that the article used."""
SPEED_GOALS = {"pretrain": 3.0, "finetune": 2.0}
MFU_GOAL = 45
GIB = 2**30
NUM_SAMPLES = 4000


@dataclass
class Line:
    """One measured training."""

    micro_batch: int
    recomputes: bool
    samples_per_second: float
    tokens_per_second: float
    mfu_percent: float
    padding_percent: float
    peak_bytes: int
    wait_percent: float | None = None
    predicted_bytes: int | None = None
    kept_bytes: int | None = None
    """Of all tensors between two optimizer steps: weights, gradients, master copies, states."""
    predicted_kept_bytes: int | None = None


def measure(name: str, stage: Stage, shapes: Shapes, options: argparse.Namespace) -> Line:
    """One line, in this process."""
    samples = Samples(shapes, stage, NUM_SAMPLES)
    _, article = stage_of(stage)
    plan = global_batches(
        len(samples),
        batch_size=article.global_batch_size,
        num_epochs=1,
        seed=article.seed,
        grouped_by=samples.lengths if stage == "finetune" else None,
    )[: shapes.warmup_steps + shapes.num_optimizer_steps]
    timed = plan[shapes.warmup_steps :]
    if name == "original":
        from tests.benchmarks.train_original import MICRO_BATCH, Original, seconds_of

        original = Original(shapes, stage, _device(), attention=options.original_attention)
        seconds = seconds_of(original, samples, plan, warmup_steps=shapes.warmup_steps)
        size = MICRO_BATCH[stage]
        pieces = [batch[start : start + size] for batch in timed for start in range(0, len(batch), size)]
        return _line(shapes, stage, samples, timed, pieces, seconds=seconds, recomputes=True)
    from tests.benchmarks.train_ours import run

    config, memory = chosen_config(shapes, stage, memory_bytes=options.memory_gib * GIB)
    ours = run(shapes, stage, config, samples, plan, features=options.features, attention="sdpa")
    count = article.global_batch_size // config.micro_batch_size
    pieces = [
        piece
        for batch in timed
        for piece in micro_batches(batch, lengths=samples.lengths, count=count, rank=0, num_processes=1)
    ]
    recomputes = config.gradient_checkpointing
    line = _line(shapes, stage, samples, timed, pieces, seconds=ours.seconds, recomputes=recomputes)
    line.wait_percent = 100 * ours.waited_seconds / ours.seconds
    line.predicted_bytes = memory.num_bytes
    line.kept_bytes = ours.kept_bytes
    line.predicted_kept_bytes = memory.weights + memory.gradients + memory.master_copies + memory.optimizer_states
    return line


def _line(
    shapes: Shapes,
    stage: Stage,
    samples: Samples,
    timed: Sequence[Sequence[int]],
    pieces: Sequence[Sequence[int]],
    *,
    seconds: float,
    recomputes: bool,
) -> Line:
    """What was measured in ``seconds`` over the batches ``timed``, cut into ``pieces``."""
    used = [samples[index] for batch in timed for index in batch]
    lengths = [int(samples.lengths[index]) for batch in timed for index in batch]
    num_vision = shapes.num_vision_tokens * sum(len(sample.images) for sample in used)
    num_supervised = sum(sample.encoded.num_supervised for sample in used)
    request = memory_request(shapes, stage, stage_of(stage)[1])
    work = Work(sum(lengths), num_supervised, num_vision, sum_of_squares(lengths))
    flops = training_flops(request.sizes, work, trained=request.trained)
    return Line(
        micro_batch=max(map(len, pieces)),
        recomputes=recomputes,
        samples_per_second=len(lengths) / seconds,
        tokens_per_second=sum(lengths) / seconds,
        mfu_percent=100 * flops / seconds / device_peak(_device()).flops_per_second,
        padding_percent=100 * (1 - sum(lengths) / num_padded_tokens(pieces, samples.lengths)),
        peak_bytes=peak_memory_bytes(_device()),
    )


def _device() -> torch.device:
    return torch.device("cuda", 0) if torch.cuda.is_available() else torch.device("cpu")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--memory-gib", type=int, default=MEMORY_GIB, help="what ours may take of the device")
    parser.add_argument("--original-attention", choices=("eager", "sdpa"), default="eager")
    parser.add_argument("--part", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--features", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    shapes = REAL if torch.cuda.is_available() else TINY
    if shapes is TINY:
        torch.set_num_threads(1)  # threads that wait for each other on busy cores would be what is measured
    if options.part:
        name, stage = options.part
        print(json.dumps(asdict(measure(name, stage, shapes, options))))
        return
    if shapes is TINY:
        print("no GPU here: tiny shapes on the CPU, which say nothing about the real ones")
    peak = device_peak(_device())
    how = "measured just now" if peak.is_measured else "of pipeline.compute.gpus"
    print(f"{machine_line()}; peak {peak.flops_per_second / 1e12:.2f} TFLOP/s, {how}", flush=True)
    with TemporaryDirectory(dir=os.environ.get("LLAVA_JP_BENCH_FOLDER")) as folder:
        features = write_features(Path(folder), shapes)
        lines = {
            (stage, name): _in_a_process(name, stage, features, options)
            for stage in get_args(Stage)
            for name in ("original", "ours")
        }
    report(lines)
    report_padding()


def _in_a_process(name: str, stage: Stage, features: Path, options: argparse.Namespace) -> Line:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    ranks = {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    command = [*RUN_MODULE, "tests.benchmarks.bench_train", "--part", name, stage, "--features", str(features)]
    command += ["--memory-gib", str(options.memory_gib), "--original-attention", options.original_attention]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **ranks})
    if done.returncode:
        raise SystemExit(f"{name}, {stage} stopped with {done.returncode}:\n{done.stderr[-3000:]}")
    line = Line(**json.loads(done.stdout.splitlines()[-1]))
    print(f"  {stage}, {name}: {line.samples_per_second:.2f} samples/s", flush=True)
    return line


def report(lines: dict[tuple[Stage, str], Line]) -> None:
    """A Markdown table, ready for docs/benchmarks.md, and the goals."""
    print("\n| | micro-batch | samples/s | tokens/s | MFU | padding | waiting | peak memory (predicted) |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    on_gpu = torch.cuda.is_available()
    for (stage, name), line in lines.items():
        micro = f"{line.micro_batch}, recomputed" if line.recomputes else str(line.micro_batch)
        wait = "" if line.wait_percent is None else f"{line.wait_percent:.1f} %"
        predicted = f" ({line.predicted_bytes / GIB:.2f})" if line.predicted_bytes and on_gpu else ""
        print(
            f"| {stage}, {name} | {micro} | {line.samples_per_second:.2f} | {line.tokens_per_second:,.0f} "
            f"| {line.mfu_percent:.1f} % | {line.padding_percent:.1f} % | {wait} "
            f"| {line.peak_bytes / GIB:.2f} GiB{predicted} |"
        )
    print("" if on_gpu else "\nmemory is that of the whole process; the goals are those of a GPU and say nothing here")
    for stage in get_args(Stage):
        print(_verdict(stage, lines[stage, "ours"], lines[stage, "original"]))


def _verdict(stage: Stage, ours: Line, original: Line) -> str:
    """Against the goals, and the prediction against the measurement."""
    factor = ours.samples_per_second / original.samples_per_second
    kept, predicted = (ours.kept_bytes or 0) / 1e6, (ours.predicted_kept_bytes or 0) / 1e6
    return (
        f"{stage}: {factor:.2f} times the original (goal {SPEED_GOALS[stage]}), MFU {ours.mfu_percent:.1f} % (goal "
        f"{MFU_GOAL} %), peak {ours.peak_bytes / GIB:.1f} GiB (goal under {MEMORY_GIB} GiB)\n"
        f"    weights, gradients, master copies and optimizer states: {kept:,.1f} MB, predicted {predicted:,.1f} MB"
    )


def report_padding() -> None:
    """Padding of lengths like v1.1's, by how batches are made; every micro-batch is padded to its longest."""
    print("\n| padding, % of all tokens | micro-batch | as they come | sorted in the batch | and grouped by length |")
    print("|---|---:|---:|---:|---:|")
    lengths_of = {"pretrain": caption_lengths(20_000), "finetune": conversation_lengths(20_000)}
    for stage in get_args(Stage):
        lengths = lengths_of[stage]
        _, article = stage_of(stage)
        size = article.global_batch_size
        random = global_batches(len(lengths), batch_size=size, num_epochs=1, seed=42)
        grouped = global_batches(len(lengths), batch_size=size, num_epochs=1, seed=42, grouped_by=lengths)
        for micro in (1, 2, 4, 8):
            dealt = [batch[start : start + micro] for batch in random for start in range(0, len(batch), micro)]
            wastes = [dealt, *(_cut(plan, lengths, size // micro) for plan in (random, grouped))]
            cells = [100 * (1 - lengths.sum() / num_padded_tokens(pieces, lengths)) for pieces in wastes]
            print(f"| {stage} | {micro} | " + " | ".join(f"{cell:.1f}" for cell in cells) + " |")


def _cut(plan: Sequence[Sequence[int]], lengths: Lengths, count: int) -> list[list[int]]:
    return [
        piece for batch in plan for piece in micro_batches(batch, lengths=lengths, count=count, rank=0, num_processes=1)
    ]


if __name__ == "__main__":
    main()
