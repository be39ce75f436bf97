"""How fast images become cached features, against the device's own matrix products and against the plain path.

``python -m tests.benchmarks.bench_encode`` on a GPU takes SigLIP so400m's shape with random weights in bfloat16 at 768
and 384 pixels; without one it takes a small shape and says so. Compared, on the same images in the same run:

    (a) plain    as LLaVA-JP does it: one image at a time, Transformers' forward with all layers, one call a tile
    (b) batched  the same forward on the tiles of many images
    ours         ``pipeline.features.encoder``: only the layers that are used, tiles of all scales in one call

End to end includes decoding and, for ours, writing the shards; (a) and (b) decode in this process and write nothing.
"""

import argparse
import io
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
import torch
from PIL import Image

from model.config import RandomVisionTower, VisionTowerConfig
from model.vision.s2 import multiscale_features, square_grid
from model.vision.tower import FEATURE_LAYER, VisionTower, build_vision_tower, pixels_of
from pipeline.compute.model_sizes import tower_sizes
from pipeline.config.experiment import FeatureConfig, LocalSource
from pipeline.core.progress import listening
from pipeline.core.settings import Settings, load_settings
from pipeline.data.images import decode
from pipeline.data.prepare import prepare_dataset
from pipeline.features.encoder import IMAGES_PER_BATCH
from pipeline.features.sizes import encoding_flops
from pipeline.features.step import cache_features, on_this_machine
from pipeline.store.artifacts import ArtifactStore
from tests.benchmarks.machine import machine_line

SO400M = {
    "tile_size": 384,
    "patch_size": 14,
    "hidden_size": 1152,
    "intermediate_size": 4304,
    "num_hidden_layers": 27,
    "num_attention_heads": 16,
}
SMALL = {
    "tile_size": 96,
    "patch_size": 14,
    "hidden_size": 192,
    "intermediate_size": 768,
    "num_hidden_layers": 6,
    "num_attention_heads": 3,
}
ROUNDS = 5
SECONDS_A_ROUND = 2.0


@dataclass(frozen=True)
class Line:
    """A measured path: images a second, and its part of the ceiling."""

    name: str
    images_per_second: float
    percent_of_ceiling: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=None, help="images to encode end to end (default 2048, CPU 128)")
    arguments = parser.parse_args()
    on_gpu = torch.cuda.is_available()
    device = torch.device("cuda" if on_gpu else "cpu")
    num_images = arguments.images or (2048 if on_gpu else 128)
    sizes = SO400M if on_gpu else SMALL
    tower_config = VisionTowerConfig(weights=RandomVisionTower(kind="random", **sizes), dtype="bfloat16")
    config = FeatureConfig(image_size=2 * sizes["tile_size"], scales=(1.0, 0.5))
    if not on_gpu:
        torch.set_num_threads(1)
        print("no GPU here: a small tower on one CPU thread, which says nothing about the real one")
    ceiling = matrix_ceiling(device)
    flops = encoding_flops(tower_sizes(tower_config), config)
    print(
        f"{machine_line()}; matrix ceiling {ceiling / 1e12:.2f} TFLOP/s in bfloat16; {flops / 1e12:.3f} TFLOP an image"
    )
    with TemporaryDirectory(dir=os.environ.get("LLAVA_JP_BENCH_FOLDER")) as folder:
        contents = jpegs(num_images)
        tower = build_vision_tower(tower_config).to(device)
        alone = encoder_alone(tower, config, contents, device)
        whole = end_to_end(tower, tower_config, config, contents, Path(folder))
    for title, figures in (("encoder alone, decoded pixels on the device", alone), ("end to end", whole)):
        lines = [Line(name, rate, 100 * rate * flops / ceiling) for name, rate in figures.items()]
        report(title, lines)


def matrix_ceiling(device: torch.device) -> float:
    """Floating-point operations a second of the best of some bfloat16 matrix products."""
    sides = (4096, 8192, 12288) if device.type == "cuda" else (512, 1024)
    pairs = {side: [torch.randn(side, side, device=device, dtype=torch.bfloat16) for _ in range(2)] for side in sides}
    calls = {str(side): partial(torch.matmul, *pair) for side, pair in pairs.items()}
    return max(2.0 * int(side) ** 3 * rate for side, rate in calls_per_second(calls, device).items())


def calls_per_second(calls: Mapping[str, Callable[[], object]], device: torch.device) -> dict[str, float]:
    """The median of some rounds, in which all take turns, after one that is not counted."""
    rates: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(ROUNDS + 1):
        for name, call in calls.items():
            count, started = 0, time.perf_counter()
            while time.perf_counter() - started < SECONDS_A_ROUND:
                call()
                if device.type == "cuda":
                    torch.cuda.synchronize()
                count += 1
            rates[name].append(count / (time.perf_counter() - started))
    return {name: median(values[1:]) for name, values in rates.items()}


def encoder_alone(
    tower: VisionTower, config: FeatureConfig, contents: Sequence[bytes], device: torch.device
) -> dict[str, float]:
    """Images a second of each path, the pixels being on the device."""
    pixels = decoded(contents[:IMAGES_PER_BATCH], config).to(device)
    calls: dict[str, Callable[[], object]] = {
        "(a) plain": lambda: plain(tower, pixels[:1], config),
        "(b) batched": lambda: batched(tower, pixels, config),
        "ours": lambda: tower.encode(pixels, config),
    }
    if device.type == "cuda":
        compiled = VisionTower(tower.vit)
        compiled.to(device).compile(dynamic=False)
        calls["ours, torch.compile"] = lambda: compiled.encode(pixels, config)
    rates = calls_per_second(calls, device)
    return {name: rate * (1 if name == "(a) plain" else len(pixels)) for name, rate in rates.items()}


def all_hidden_states(tower: VisionTower, tiles: torch.Tensor) -> torch.Tensor:
    """The features as LLaVA takes them: every layer runs, every hidden state is kept."""
    output = tower.vit(pixel_values=tiles.to(tower.dtype), output_hidden_states=True)
    features: torch.Tensor = output.hidden_states[FEATURE_LAYER]
    return features


@torch.no_grad()
def plain(tower: VisionTower, pixels: torch.Tensor, config: FeatureConfig) -> torch.Tensor:
    """One image, one call a scale with its tiles."""
    images = tower.normalise(pixels)
    return torch.cat([_s2(tower, images, (side,)) for side in config.sides], dim=1)


@torch.no_grad()
def batched(tower: VisionTower, pixels: torch.Tensor, config: FeatureConfig) -> torch.Tensor:
    """Many images, the tiles of all scales in one call."""
    return _s2(tower, tower.normalise(pixels), config.sides)


def _s2(tower: VisionTower, images: torch.Tensor, sides: Sequence[int]) -> torch.Tensor:
    return multiscale_features(
        lambda tiles: all_hidden_states(tower, tiles),
        images,
        sides=sides,
        tile_size=tower.tile_size,
        grid=square_grid(tower.num_patches),
    )


def end_to_end(
    tower: VisionTower,
    tower_config: VisionTowerConfig,
    config: FeatureConfig,
    contents: Sequence[bytes],
    folder: Path,
) -> dict[str, float]:
    """Images a second from JPEG files to features on the host; ours to published shards."""
    few = contents[: min(len(contents), 256)]
    return {
        "(a) plain": _host_rate(tower, few, config, plain, 1),
        "(b) batched": _host_rate(tower, few, config, batched, IMAGES_PER_BATCH),
        "ours, to shards on the disk": _ours(tower_config, config, contents, folder),
    }


def _host_rate(
    tower: VisionTower, contents: Sequence[bytes], config: FeatureConfig, path: Callable[..., torch.Tensor], size: int
) -> float:
    started = time.perf_counter()
    for start in range(0, len(contents), size):
        pixels = decoded(contents[start : start + size], config).to(tower.pixel_mean.device)
        path(tower, pixels, config).cpu()
    return len(contents) / (time.perf_counter() - started)


def _ours(tower: VisionTowerConfig, config: FeatureConfig, contents: Sequence[bytes], folder: Path) -> float:
    """The step as it runs in an experiment, from its first batch to its end: without the start of its processes."""
    images = folder / "images"
    images.mkdir()
    for number, content in enumerate(contents):
        (images / f"{number}.jpg").write_bytes(content)
    talk = [{"from": "human", "value": "<image>\n何ですか。"}, {"from": "gpt", "value": "写真です。"}]
    records = [{"id": str(number), "image": f"{number}.jpg", "conversations": talk} for number in range(len(contents))]
    (folder / "records.json").write_text(json.dumps(records), encoding="utf-8")
    os.environ["LLAVA_JP_STORE"] = str(folder / "store")
    store = ArtifactStore(load_settings().store_root)
    source = LocalSource(kind="local", annotations=folder / "records.json", images=images)
    dataset = prepare_dataset(source, store=store)
    seen: list[tuple[float, int]] = []
    with listening(lambda event: seen.append((time.perf_counter(), event.done))):
        cache_features(tower, config, dataset=dataset, store=store, run_job=on_this_machine(Settings()))
    started, num_before = next(one for one in seen if one[1])
    return (len(contents) - num_before) / (time.perf_counter() - started)


def decoded(contents: Sequence[bytes], config: FeatureConfig) -> torch.Tensor:
    """Pixels of JPEG files, uint8 ``[B, 3, side, side]``."""
    return torch.stack([pixels_of(decode(content), image_size=config.image_size) for content in contents])


def jpegs(count: int) -> list[bytes]:
    """JPEG files of mixed sizes like photos of COCO and CC3M, from 320 to 1,280 pixels, each different."""
    random = np.random.default_rng(0)
    return list(_jpegs(count, random))


def _jpegs(count: int, random: np.random.Generator) -> Iterator[bytes]:
    for _ in range(count):
        width, height = (int(side) for side in random.integers(320, 1280, 2))
        coarse = random.integers(0, 256, (height // 24 + 1, width // 24 + 1, 3), dtype=np.uint8)
        image = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
        grain = random.normal(0, 6, (height, width, 1))
        noisy = np.clip(np.asarray(image, dtype=np.float32) + grain, 0, 255).astype(np.uint8)
        file = io.BytesIO()
        Image.fromarray(noisy).save(file, "JPEG", quality=int(random.integers(75, 96)))
        yield file.getvalue()


def report(title: str, lines: Sequence[Line]) -> None:
    """A Markdown table, ready for docs/benchmarks.md."""
    batched_rate = next(line.images_per_second for line in lines if line.name.startswith("(b)"))
    print(f"\n| {title} | images/s | of the ceiling | against (b) |\n|---|---|---|---|")
    for line in lines:
        factor = line.images_per_second / batched_rate
        print(f"| {line.name} | {line.images_per_second:.2f} | {line.percent_of_ceiling:.1f} % | {factor:.2f} |")


if __name__ == "__main__":
    main()
