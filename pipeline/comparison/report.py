"""The comparison as text: a wide table of scores, and a Markdown page with the paired differences."""

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.benchmarks.known import BLIND, OVERALL, is_blind
from pipeline.benchmarks.metrics import METRICS, unit_of
from pipeline.comparison.charts import AXIS, EXPERIMENT, Chart, drawable
from pipeline.comparison.published import (
    article_rows,
    leaderboard_rows,
    leaderboards,
    published_table,
    score_cell,
)
from pipeline.core.wording import markdown_text
from pipeline.evaluation.power import LEVEL
from pipeline.evaluation.scores import BREAKDOWNS, DETAIL

Row = Mapping[str, Any]

INTRODUCTION = """\
Scores are in percent where they do not say of what, with the 95 % bootstrap interval over the items; questions on one
image are drawn together. An interval says how much the choice of items matters, nothing about another training run.
"""
POWER_TEXT = """\
The smallest true difference that these items show in four of five cases (two-sided test at 5 %, 80 % power), from how
the two models' scores differ from image to image. A smaller one may be there and is not seen.
"""
DIFFERENCES = """\
B minus A on the items that both answered, with the 95 % bootstrap interval; p is that of a two-sided sign-flip test and
is not corrected for the number of rows. Both take the questions on one image together. "Inside the noise" is p of 0.05
or more: other items might as well have shown the opposite.
"""
INSIDE, OUTSIDE = "inside the noise", "beyond the noise"
TOO_FEW = "none"
"""What can be shown by fewer images than a test needs."""
MOST_DIVIDED = 3
"""Benchmarks that are shown with their groups; the groups of more would fill screens."""
KEY_COLUMNS = ("benchmark", "protocol", "metric", "group", "items")


def wide_table(rows: Sequence[Row], *, experiments: Sequence[str], is_complete: bool = False) -> list[dict[str, Any]]:
    """One row per benchmark, protocol, metric and group; one column per experiment, empty where it has no score.

    The groups are the benchmark's own categories, or its scorer's details, or the types of its questions; with
    ``is_complete`` those of all breakdowns. ``items`` is a range where experiments failed on different numbers of
    items. What a model gets without the images stands behind its score.
    """
    found: dict[tuple[str, ...], dict[str, Row]] = {}
    blind: dict[tuple[str, ...], dict[str, Row]] = {}
    for row in rows if is_complete else _main_rows(rows):
        group = row["group"] if row["breakdown"] in (OVERALL, "category") else f"{row['breakdown']}: {row['group']}"
        place = row["benchmark"], row["protocol"].removesuffix(BLIND), row["metric"], group
        found.setdefault(place, {})
        (blind if is_blind(row["protocol"]) else found).setdefault(place, {})[row["experiment"]] = row
    table = []
    for key, by_experiment in found.items():
        blindly = blind.get(key, {})
        asked = [*by_experiment.values(), *blindly.values()]
        counts = sorted({row["num_items"] for row in asked})
        fewest = min(asked, key=lambda row: row["num_items"])
        items = _items(fewest) if len(counts) == 1 else f"{counts[0]}-{counts[-1]}"
        cells = {name: _cell(by_experiment.get(name), blindly.get(name)) for name in experiments}
        table.append({**cells, **dict(zip(KEY_COLUMNS, (*key, items), strict=True))})
    return [{name: row[name] for name in dict.fromkeys((*KEY_COLUMNS, *experiments))} for row in table]


def _cell(row: Row | None, blind: Row | None) -> str:
    """A score, and behind it that without the images."""
    parts = [] if row is None else [score_cell(row)]
    parts += [] if blind is None else [f"blind {score_cell(blind)}"]
    return "; ".join(parts)


def difference_rows(rows: Sequence[Row], *, is_complete: bool = False) -> list[dict[str, Any]]:
    """Paired differences to print; with ``is_complete`` in all breakdowns."""
    return [_difference(row) for row in (rows if is_complete else _main_rows(rows))]


def power_rows(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Which difference the items could show, of the numbers of whole benchmarks."""
    return [
        {
            **{name: row[name] for name in ("benchmark", "protocol", "metric")},
            "A": row["experiment_a"],
            "B": row["experiment_b"],
            "shows from": _detectable(row),
            "items": _items(row),
        }
        for row in rows
        if row["breakdown"] == OVERALL
    ]


def _main_rows(rows: Sequence[Row]) -> list[Row]:
    there = {(row["benchmark"], row["breakdown"]) for row in rows}
    if len({benchmark for benchmark, _ in there}) > MOST_DIVIDED:
        return [row for row in rows if row["breakdown"] == OVERALL]

    def main(benchmark: str) -> str:
        return next((name for name in ("category", DETAIL) if (benchmark, name) in there), "question_type")

    return [row for row in rows if row["breakdown"] in (OVERALL, main(row["benchmark"]))]


def report(
    scores: Sequence[Row],
    differences: Sequence[Row],
    *,
    experiments: Sequence[str],
    chart: Chart | None,
    notes: Sequence[str],
) -> str:
    """The Markdown page. ``notes`` are sentences about single numbers."""
    power = power_rows(differences)
    parts = [
        f"# {markdown_text(' / '.join(experiments))}",
        INTRODUCTION,
        *(["## What these items can show", POWER_TEXT, _markdown(power), "## Scores"] if power else []),
        _markdown(wide_table(scores, experiments=experiments)),
    ]
    parts += ["\n".join(f"- {markdown_text(note)}" for note in notes)] if notes else []
    parts += [meanings] if (meanings := _meanings(scores)) else []
    if article := article_rows(scores, experiments=experiments):
        table = published_table()
        parts += ["## The article's table", _markdown(article), f"Published: {table.source}. {table.note}"]
    for board in leaderboards():
        if rows := leaderboard_rows(board, scores, experiments=experiments):
            where = f"{board.source}, {board.date}; judge: {board.judge or 'none'}. {board.note}"
            parts += [f"## {board.title}", _markdown(rows), f"Published: {where}"]
    if differences:
        parts += ["## Differences", DIFFERENCES, _markdown(difference_rows(differences))]
    if chart is not None:
        parts += ["## Chart", f"![{markdown_text(chart.title)}](radar.png)", *_keys(chart)]
    complete = wide_table(scores, experiments=experiments, is_complete=True)
    parts += ["## All breakdowns", f"By {', '.join(BREAKDOWNS)}; detail is of the scorer itself.", _markdown(complete)]
    parts += ["Sample answers are in [samples.html](samples.html)."]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _meanings(rows: Sequence[Row]) -> str:
    """What each metric of the rows means; of a judge the notes say it."""
    there = {row["metric"] for row in rows}
    lines = [f"- {name}: {markdown_text(metric.what)}." for name, metric in METRICS.items() if name in there]
    return "\n".join(["Metrics:", "", *lines]) if lines else ""


def _difference(row: Row) -> dict[str, Any]:
    group = row["group"] if row["breakdown"] in (OVERALL, "category") else f"{row['breakdown']}: {row['group']}"
    return {
        "benchmark": row["benchmark"],
        "protocol": row["protocol"],
        "metric": row["metric"],
        "group": group,
        "A": row["experiment_a"],
        "B": row["experiment_b"],
        "B - A": f"{row['difference']:+.1f} [{row['low']:+.1f}, {row['high']:+.1f}]{unit_of(row['metric'])}",
        "p": f"{row['p_value']:.4f}",
        "shows from": _detectable(row),
        "is": INSIDE if row["p_value"] >= LEVEL else OUTSIDE,
        "items": _items(row),
    }


def _detectable(row: Row) -> str:
    value = row.get("detectable")
    return TOO_FEW if value is None else f"±{value:.1f}{unit_of(row['metric'])}"


def _items(row: Row) -> str:
    """How many items, and on how many images where these are fewer: so many independent observations there are."""
    is_alone = row["num_clusters"] in (None, row["num_items"])
    return str(row["num_items"]) if is_alone else f"{row['num_items']} on {row['num_clusters']}"


def _keys(chart: Chart) -> list[str]:
    """What the numbers in the chart stand for, where the font has no characters for the names."""
    keys = []
    for names, what in ((chart.axes, AXIS), (tuple(chart.scores), EXPERIMENT)):
        shown = drawable(names, what=what)
        pairs = [f"{short} = {markdown_text(name)}" for short, name in zip(shown, names, strict=True) if short != name]
        keys += ["In the chart: " + "; ".join(pairs) + "."] if pairs else []
    return keys


def _markdown(table: Sequence[Row]) -> str:
    if not table:
        return "There is no number to show; the notes say why."
    columns = list(table[0])
    lines = [columns, ["---"] * len(columns), *[[row[column] for column in columns] for row in table]]
    return "\n".join("| " + " | ".join(markdown_text(cell) for cell in line) + " |" for line in lines)
