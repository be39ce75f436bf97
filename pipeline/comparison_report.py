"""The comparison as text: a wide table of scores, and a Markdown page with the paired differences."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pipeline.charts import AXIS, EXPERIMENT, Chart, drawable

Row = Mapping[str, Any]

INTRODUCTION = """\
Scores are in percent, with the 95 % bootstrap interval over the items. An interval says how much the choice of items
matters, nothing about another training run.
"""
DIFFERENCES = """\
B minus A on the items that both answered, with the 95 % bootstrap interval; p is that of a two-sided sign-flip test and
is not corrected for the number of rows.
"""
KEY_COLUMNS = ("benchmark", "metric", "category", "items")


def wide_table(rows: Sequence[Row], *, experiments: Sequence[str]) -> list[dict[str, Any]]:
    """One row per benchmark, metric and category; one column per experiment, empty where it has no score.

    ``items`` is a range where experiments failed on different numbers of items.
    """
    groups: dict[tuple[str, str, str], dict[str, Row]] = {}
    for row in rows:
        groups.setdefault((row["benchmark"], row["metric"], row["category"]), {})[row["experiment"]] = row
    table = []
    for key, by_experiment in groups.items():
        counts = sorted({row["num_items"] for row in by_experiment.values()})
        items = str(counts[0]) if len(counts) == 1 else f"{counts[0]}-{counts[-1]}"
        cells = {name: _score(by_experiment[name]) if name in by_experiment else "" for name in experiments}
        table.append({**cells, **dict(zip(KEY_COLUMNS, (*key, items), strict=True))})
    return [{name: row[name] for name in dict.fromkeys((*KEY_COLUMNS, *experiments))} for row in table]


def report(
    scores: Sequence[Row], differences: Sequence[Row], *, chart: Chart, failures: Iterable[tuple[str, str, int]]
) -> str:
    """The Markdown page. ``failures`` are experiment, benchmark and number of failed items."""
    experiments = list(chart.scores)
    parts = [
        f"# {' / '.join(experiments)}",
        INTRODUCTION,
        _markdown(wide_table(scores, experiments=experiments)),
        *[
            f"{experiment} failed on {number} items of {benchmark}; they are in no mean."
            for experiment, benchmark, number in failures
            if number
        ],
    ]
    if differences:
        parts += ["## Differences", DIFFERENCES, _markdown([_difference(row) for row in differences])]
    parts += ["## Chart", f"![{chart.title}](radar.png)", *_keys(chart)]
    parts += ["Sample answers are in [samples.html](samples.html)."]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _score(row: Row) -> str:
    return f"{row['mean']:.1f} [{row['low']:.1f}, {row['high']:.1f}]"


def _difference(row: Row) -> dict[str, Any]:
    return {
        "benchmark": row["benchmark"],
        "metric": row["metric"],
        "category": row["category"],
        "A": row["experiment_a"],
        "B": row["experiment_b"],
        "B - A": f"{row['difference']:+.1f} [{row['low']:+.1f}, {row['high']:+.1f}]",
        "p": f"{row['p_value']:.4f}",
        "items": row["num_items"],
    }


def _keys(chart: Chart) -> list[str]:
    """What the numbers in the chart stand for, where the font has no characters for the names."""
    keys = []
    for names, what in ((chart.axes, AXIS), (tuple(chart.scores), EXPERIMENT)):
        shown = drawable(names, what=what)
        pairs = [f"{short} = {_cell(name)}" for short, name in zip(shown, names, strict=True) if short != name]
        keys += ["In the chart: " + "; ".join(pairs) + "."] if pairs else []
    return keys


def _markdown(table: Sequence[Row]) -> str:
    columns = list(table[0])
    lines = [columns, ["---"] * len(columns), *[[row[column] for column in columns] for row in table]]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def _cell(value: object) -> str:
    """Text that can neither end its cell nor become HTML."""
    text = " ".join(str(value).split())
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|")
