"""One picture of some experiments: a radar chart, or bars when there are fewer than three axes.

matplotlib brings one font of its own, without Japanese characters. A name it cannot draw is replaced by a number; the
report beside the chart gives the key.
"""

import math
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import matplotlib
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font
from matplotlib.projections.polar import PolarAxes

from pipeline.core.files import appearing

FONT = "DejaVu Sans"
"""The font that comes with matplotlib."""
FEWEST_RADAR_AXES = 3
MANY_AXES = 8
"""More than these need a larger picture."""
MOST_FILLED = 3
"""Areas of more lines than these would hide each other."""
TICKS = {10: 2, 20: 5, 50: 10, 60: 10, 80: 20, 100: 20}
"""Upper limits of the score axis and the distance of their ticks, in percent."""
LARGEST = max(TICKS)
"""A BLEU of equal texts is a hair above it."""
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
"""Okabe and Ito's palette: told apart also with colour-blind eyes."""
LINES = ("-", "--", "-.", ":")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DOTS_PER_INCH = 150
AXIS, EXPERIMENT = "axis", "experiment"
"""What a name is called when the font cannot draw it."""

Side = TypeVar("Side", bound=str)


@dataclass(frozen=True, slots=True)
class Chart:
    """What to draw: one score in percent per experiment and axis."""

    title: str
    """Latin letters only."""
    axes: tuple[str, ...]
    scores: Mapping[str, tuple[float, ...]]
    """By experiment, in the order of ``axes``."""


def draw(chart: Chart, path: Path) -> None:
    """Write the chart as a PNG file, which appears under its name only when it is complete."""
    with _settings(), appearing(path) as unfinished:
        drawn(chart).savefig(unfinished, format="png")


def drawn(chart: Chart) -> Figure:
    """The chart as a figure."""
    with _settings():
        size = (10, 9) if len(chart.axes) > MANY_AXES else (8, 6)
        figure = Figure(figsize=size, dpi=DOTS_PER_INCH, layout="constrained")
        FigureCanvasAgg(figure)  # no display, and no state shared with whoever else draws
        if len(chart.axes) < FEWEST_RADAR_AXES:
            _draw_bars(chart, figure.add_subplot())
        else:
            _draw_radar(chart, figure)
        figure.suptitle(chart.title, parse_math=False, fontsize=13)
        return figure


def _settings() -> AbstractContextManager[None]:
    return matplotlib.rc_context({"font.family": [FONT], "axes.unicode_minus": False})


def drawable(names: Sequence[str], *, what: str) -> tuple[str, ...]:
    """The names; one that the font cannot draw becomes ``what`` and its number, such as ``axis 1``."""
    font = get_font(findfont(FONT))
    return tuple(
        name if all(font.get_char_index(ord(sign)) for sign in name if sign != "\n") else f"{what} {number}"
        for number, name in enumerate(names, start=1)
    )


def _draw_radar(chart: Chart, figure: Figure) -> None:
    axes = figure.add_subplot(projection="polar")
    assert isinstance(axes, PolarAxes)
    angles = [2 * math.pi * index / len(chart.axes) for index in range(len(chart.axes))]
    axes.set_theta_zero_location("N")
    axes.set_theta_direction(-1)
    for index, scores in enumerate(chart.scores.values()):
        colour, line = COLOURS[index % len(COLOURS)], LINES[index % len(LINES)]
        closed = [*scores, scores[0]]
        style: dict[str, Any] = {"color": colour, "linestyle": line, "marker": MARKERS[index % len(MARKERS)]}
        axes.plot([*angles, angles[0]], closed, **style, linewidth=2, markersize=5)
        if len(chart.scores) <= MOST_FILLED:
            axes.fill([*angles, angles[0]], closed, color=colour, alpha=0.08)
    axes.set_xticks(angles, _axis_labels(chart), parse_math=False)
    for label, angle in zip(axes.get_xticklabels(), angles, strict=True):
        label.set_horizontalalignment(_side(math.sin(angle), ("right", "center", "left")))
        label.set_verticalalignment(_side(math.cos(angle), ("top", "center", "bottom")))
    limit, distance = _scale(chart)
    axes.set_ylim(0, limit)
    axes.set_yticks(range(distance, limit + 1, distance))
    axes.set_rlabel_position(180 / len(chart.axes))
    axes.tick_params(axis="y", labelsize=8, labelcolor="#555555")
    axes.grid(color="#cccccc", linewidth=0.8)
    axes.spines["polar"].set_color("#999999")
    _add_legend(chart, figure, axes.get_lines())


def _side(coordinate: float, sides: tuple[Side, Side, Side]) -> Side:
    """One of three alignments, for a label below, at or above the middle."""
    return sides[1] if abs(coordinate) < 0.4 else sides[2 if coordinate > 0 else 0]


def _draw_bars(chart: Chart, axes: Axes) -> None:
    width = 0.8 / len(chart.scores)
    bars: list[Artist] = []
    for index, scores in enumerate(chart.scores.values()):
        left = index * width - 0.4 + width / 2
        positions = [number + left for number in range(len(chart.axes))]
        bars += axes.bar(positions, scores, width * 0.92, color=COLOURS[index % len(COLOURS)]).patches[:1]
    axes.set_xticks(range(len(chart.axes)), _axis_labels(chart), parse_math=False)
    limit, distance = _scale(chart)
    axes.set_ylim(0, limit)
    axes.set_yticks(range(0, limit + 1, distance))
    axes.set_axisbelow(True)
    axes.grid(axis="y", color="#cccccc", linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)
    figure = axes.get_figure(root=True)
    assert figure is not None
    _add_legend(chart, figure, bars)


def _add_legend(chart: Chart, figure: Figure, handles: Sequence[Artist]) -> None:
    names = [_shortened(name, 72) for name in drawable(list(chart.scores), what=EXPERIMENT)]
    columns = 2 if max(map(len, names)) <= 36 else 1
    legend = figure.legend(handles, names, loc="outside lower center", ncols=columns, frameon=False)
    for text in legend.get_texts():
        text.set_parse_math(False)


def _axis_labels(chart: Chart) -> list[str]:
    labels = drawable(chart.axes, what=AXIS)
    longest = 22 if len(chart.axes) > MANY_AXES else 24
    return ["\n".join(_wrapped(line, longest) for line in label.split("\n")) for label in labels]


def _wrapped(line: str, longest: int) -> str:
    """A name on two lines if it is long, divided behind a hyphen, a line or a blank where it has one."""
    if len(line) <= longest:
        return line
    place = max(line.rfind(sign, 0, longest) for sign in "-_ ") + 1 or longest
    return f"{line[:place]}\n{_shortened(line[place:], longest)}"


def _shortened(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


def _scale(chart: Chart) -> tuple[int, int]:
    """The smallest upper limit that all scores fit under, and the distance of its ticks."""
    highest = max(score for scores in chart.scores.values() for score in scores)
    return next((limit, distance) for limit, distance in TICKS.items() if highest <= limit or limit == LARGEST)
