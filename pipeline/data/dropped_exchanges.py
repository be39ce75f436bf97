"""Which exchanges of a conversation can be left out so that the rest stands by itself.

One bad turn need not cost a conversation of thirty. An exchange is left out when a check rejects one of its turns, and
so is the one behind it when its question points back (それは何色ですか？). The first exchange never is, nor one that
shows an image: the others follow from it. At least half of the exchanges must stay; otherwise the whole
conversation goes.
"""

import re
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.data.record_forms import IMAGE_TOKEN
from pipeline.store.manifest import Manifest

DROPPED = "drop"
"""The severity of a finding whose exchange is left out while the rest of its sample is accepted."""

POINTS_BACK = re.compile(
    r"\s*(?:[そこあ]れ|[そこあ]の|[そこあ]こ|[そこあ]ちら|そう|彼|では|じゃあ|なぜ|どうして|他に|ほかに|その他|もう|もっと|続け"
    r"|具体的|例えば|たとえば|同じ|上記|前の|先ほど|さっき|また、|さらに|どちら|前者|後者|両方|今度|次に|逆に)"
)
"""How a question begins that cannot be understood without what was said before."""


def dropped_exchanges(questions: Sequence[str], bad: Collection[int]) -> tuple[int, ...] | None:
    """The exchanges to leave out, from 0; None when the rest would not stand by itself.

    Args:
        questions: the user's messages, one for each exchange.
        bad: exchanges in which a check rejects a turn.
    """
    dropped: list[int] = []
    for index, question in enumerate(questions):
        is_left_alone = index - 1 in dropped and POINTS_BACK.match(question) is not None
        if index in bad or is_left_alone:
            dropped.append(index)
    shows_image = any(IMAGE_TOKEN in questions[index] for index in dropped)
    if 0 in dropped or shows_image or 2 * len(dropped) > len(questions):
        return None
    return tuple(dropped)


def droppable(rejecting: pa.Table, dataset: Manifest) -> dict[str, tuple[int, ...]]:
    """The exchanges to leave out, by the samples that can be kept without them.

    ``rejecting`` has the sample_id and turn_index of all rejecting findings; one without a turn rejects its sample.
    """
    bad = _bad_exchanges(rejecting)
    if not bad:
        return {}
    samples = pq.read_table(
        dataset.path("samples.parquet"), columns=["sample_id", "turns"], filters=[("sample_id", "in", list(bad))]
    )
    questions = ((row["sample_id"], [turn["text"] for turn in row["turns"][::2]]) for row in samples.to_pylist())
    found = ((name, dropped_exchanges(texts, bad[name])) for name, texts in questions)
    return {name: dropped for name, dropped in found if dropped is not None}


def _bad_exchanges(rejecting: pa.Table) -> Mapping[str, set[int]]:
    whole = rejecting.filter(pc.is_null(rejecting["turn_index"]))["sample_id"]
    of_turns = rejecting.filter(pc.invert(pc.is_in(rejecting["sample_id"], value_set=whole)))
    bad: defaultdict[str, set[int]] = defaultdict(set)
    for name, turn in zip(of_turns["sample_id"].to_pylist(), of_turns["turn_index"].to_pylist(), strict=True):
        bad[name].add(turn // 2)
    return bad
