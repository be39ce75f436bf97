"""shapes-ja: a generated Japanese world of coloured shapes, for an experiment that runs anywhere in minutes.

A scene has one to three shapes, at most one per quadrant. No two share a kind or a colour, so every question has one
answer. One shape carries a tag woven of lines one pixel wide, in four patterns of the same mean brightness: halving
the resolution averages them away. Only a model that sees all 112 pixels can answer the category ``small_detail``.

Each image has its own random stream, named by content, seed and index. So a longer stream begins with the same
records, and the held-out questions share no scene's stream with the training data. Of ``conversations`` each image has
several, as in LLaVA's instruction data.
"""

import io
import itertools
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from PIL import Image, ImageDraw

from pipeline.benchmarks.benchmark import Pair

Content = Literal["captions", "conversations", "questions"]
Point = tuple[float, float]
Turn = tuple[str, str]
"""A question and its answer."""

IMAGE_SIZE = 112
"""Side of an image in pixels."""
QUADRANT_SIZE = IMAGE_SIZE // 2
TAG_SIZE = 14
"""Side of the tag in pixels; its lines are one pixel wide, so only full resolution separates them."""
TAG_CORNER = 28
"""Where the tag begins in its quadrant, in pixels from its left and from its top.

Always the same: a frozen random tower does not tell patterns apart whose lines move by single pixels.
"""
SHAPE_CENTRE = 30
SHAPE_JITTER = 1.0
"""Largest shift of a shape's centre in each direction, in pixels."""
SHAPE_RADII = (19.0, 21.0)
"""Smallest and largest radius in pixels."""

KINDS = ("丸", "三角", "四角", "星")
COLOURS = {
    "赤": ("赤い", (214, 40, 40)),
    "青": ("青い", (40, 80, 210)),
    "緑": ("緑の", (30, 140, 60)),
    "黄色": ("黄色い", (235, 200, 30)),
    "紫": ("紫の", (140, 50, 170)),
    "茶色": ("茶色い", (125, 75, 35)),
}
"""Each colour's answer, the form before a noun, and RGB."""
POSITIONS = {"左上": (0, 0), "右上": (1, 0), "左下": (0, 1), "右下": (1, 1)}
"""Each quadrant's column and row."""
COUNTS = ("一つ", "二つ", "三つ")
PATTERNS = ("縦じま", "横じま", "市松", "無地")

ANSWERS = {"colour": tuple(COLOURS), "position": tuple(POSITIONS), "counting": COUNTS, "small_detail": PATTERNS}
"""Every answer of each category; the questions use them equally often."""

QUESTIONS = {
    "colour": ("{position}の図形は何色ですか。", "{position}の図形の色を教えてください。"),
    "position": ("{adjective}図形はどこにありますか。", "{adjective}図形の位置を教えてください。"),
    "counting": ("図形はいくつありますか。", "図形の数を教えてください。", "全部でいくつの図形がありますか。"),
    "small_detail": ("小さな札の模様は何ですか。", "札の模様を教えてください。"),
}
INSTRUCTIONS = ("", "画像を説明してください。", "何が描かれていますか。")
CONVERSATIONS_PER_IMAGE = 6
EXCHANGES = (1, 2, 3)
"""How many questions a conversation has, ..."""
EXCHANGE_WEIGHTS = (8, 1, 1)
"""... and how often. Mostly one: a tiny model learns to look up a shape much sooner without other questions around."""


@dataclass(frozen=True, slots=True)
class Shape:
    """One shape, in words."""

    kind: str
    colour: str
    position: str


@dataclass(frozen=True, slots=True)
class Scene:
    """What an image shows. One of the shapes is tagged."""

    shapes: tuple[Shape, ...]
    tagged: Shape
    pattern: str


def generate_shapes(content: Content, *, num_images: int, seed: int) -> Iterator[Pair]:
    """LLaVA-style records, each with its image as PNG bytes.

    The records of ``questions`` are the benchmark: one turn each, and a ``category``.
    """
    for index in range(num_images):
        rng = random.Random(f"shapes-ja {content} {seed} {index}")
        name = f"shapes-{content}-{index + 1:06d}"
        if content == "questions":
            scene, turns, category = _examine(rng, index)
            records = [{"id": name, "category": category, "conversations": _messages(turns)}]
        elif content == "captions":
            scene = _imagine(rng)
            turns = [(rng.choice(INSTRUCTIONS), describe(scene))]
            records = [{"id": name, "conversations": _messages(turns)}]
        else:
            scene = _imagine(rng)
            talks = [_converse(scene, rng) for _ in range(CONVERSATIONS_PER_IMAGE)]
            records = [{"id": f"{name}-{n}", "conversations": _messages(turns)} for n, turns in enumerate(talks, 1)]
        image = draw_scene(scene, rng)
        for record in records:
            yield {**record, "image": f"{name}.png"}, (image,)


def describe(scene: Scene) -> str:
    """A caption that says everything the questions ask for."""
    places = "、".join(f"{shape.position}に{COLOURS[shape.colour][0]}{shape.kind}" for shape in scene.shapes)
    count = COUNTS[len(scene.shapes) - 1]
    return f"{places}があります。図形は全部で{count}です。{scene.tagged.kind}に付いた札の模様は{scene.pattern}です。"


def draw_scene(scene: Scene, rng: random.Random) -> bytes:
    """A PNG. What the words leave open, such as the background, is drawn from ``rng``."""
    image = Image.new("RGB", (IMAGE_SIZE, IMAGE_SIZE), tuple(rng.randint(112, 144) for _ in range(3)))
    canvas = ImageDraw.Draw(image)
    for shape in scene.shapes:
        column, row = POSITIONS[shape.position]
        left, top = column * QUADRANT_SIZE, row * QUADRANT_SIZE
        _draw_shape(canvas, shape, (left + SHAPE_CENTRE, top + SHAPE_CENTRE), rng)
        if shape is scene.tagged:
            _draw_tag(canvas, scene.pattern, (left + TAG_CORNER, top + TAG_CORNER))
    png = io.BytesIO()
    image.save(png, format="PNG")
    return png.getvalue()


def _imagine(rng: random.Random) -> Scene:
    positions = sorted(rng.sample(tuple(POSITIONS), rng.randint(1, len(COUNTS))), key=tuple(POSITIONS).index)
    kinds, colours = rng.sample(KINDS, len(positions)), rng.sample(tuple(COLOURS), len(positions))
    shapes = tuple(map(Shape, kinds, colours, positions))
    return Scene(shapes=shapes, tagged=rng.choice(shapes), pattern=rng.choice(PATTERNS))


def _ask(scene: Scene, category: str, shape: Shape, rng: random.Random) -> Turn:
    question = rng.choice(QUESTIONS[category]).format(position=shape.position, adjective=COLOURS[shape.colour][0])
    answers = {
        "colour": shape.colour,
        "position": shape.position,
        "counting": COUNTS[len(scene.shapes) - 1],
        "small_detail": scene.pattern,
    }
    return question, answers[category]


def _converse(scene: Scene, rng: random.Random) -> list[Turn]:
    """A few questions in any order, no two with the same category and shape."""
    topics = [(category, shape) for category in ("colour", "position") for shape in scene.shapes]
    topics += [("counting", scene.tagged), ("small_detail", scene.tagged)]
    (num_exchanges,) = rng.choices(EXCHANGES, weights=EXCHANGE_WEIGHTS)
    return [_ask(scene, category, shape, rng) for category, shape in rng.sample(topics, num_exchanges)]


def _examine(rng: random.Random, index: int) -> tuple[Scene, list[Turn], str]:
    """The categories take turns, and within each its answers, so every answer is equally frequent."""
    category = tuple(ANSWERS)[index % len(ANSWERS)]
    answers = ANSWERS[category]
    wanted = answers[index // len(ANSWERS) % len(answers)]
    while True:
        scene = _imagine(rng)
        question, answer = _ask(scene, category, rng.choice(scene.shapes), rng)
        if answer == wanted:
            return scene, [(question, answer)], category


def _messages(turns: list[Turn]) -> list[dict[str, str]]:
    """LLaVA's messages; the image token stands in the first one."""
    messages = []
    for question, answer in turns:
        messages += [{"from": "human", "value": question}, {"from": "gpt", "value": answer}]
    messages[0]["value"] = f"<image>\n{messages[0]['value']}".rstrip()
    return messages


def _draw_shape(canvas: ImageDraw.ImageDraw, shape: Shape, centre: Point, rng: random.Random) -> None:
    x, y = (value + rng.uniform(-SHAPE_JITTER, SHAPE_JITTER) for value in centre)
    radius = rng.uniform(*SHAPE_RADII)
    colour = COLOURS[shape.colour][1]
    match shape.kind:
        case "丸":
            canvas.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)
        case "四角":
            side = radius * 0.85
            canvas.rectangle((x - side, y - side, x + side, y + side), fill=colour)
        case "三角":
            canvas.polygon(_corners(x, y, (radius * 1.15,) * 3), fill=colour)
        case "星":
            canvas.polygon(_corners(x, y, (radius * 1.15, radius * 0.55) * 5), fill=colour)


def _corners(x: float, y: float, radii: tuple[float, ...]) -> list[tuple[float, float]]:
    """The corners of a polygon at equal angles, clockwise from the top."""
    angles = [2 * math.pi * index / len(radii) for index in range(len(radii))]
    return [(x + r * math.sin(angle), y - r * math.cos(angle)) for r, angle in zip(radii, angles, strict=True)]


def _draw_tag(canvas: ImageDraw.ImageDraw, pattern: str, corner: tuple[int, int]) -> None:
    """Half of the pixels white and half black, or all of them grey."""
    for across, down in itertools.product(range(TAG_SIZE), repeat=2):
        phase = {"縦じま": across % 2, "横じま": down % 2, "市松": (across + down) % 2, "無地": 0.5}[pattern]
        level = round(255 * phase)
        canvas.point((corner[0] + across, corner[1] + down), fill=(level, level, level))
