"""A published benchmark in a run: looked up, announced, fetched, and answered."""

import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.support.commands import copied
from tests.support.hub_server import running_hub
from tests.support.small_data import picture

SOURCE = "{kind: published, name: ja-vlm-bench-in-the-wild}"
WILD = f"evaluation.benchmarks=[{{name: wild, source: {SOURCE}, metrics: [rougeL]}}]"


def wild_table() -> bytes:
    rows = [
        {
            "image_url": f"https://photos/{n}.png",
            "question": "何色ですか。",
            "answer": "赤です。",
            "image": {"bytes": picture(n), "path": None},
        }
        for n in range(3)
    ]
    content = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), content)
    return content.getvalue()


@pytest.mark.slow
def test_a_run_announces_and_fetches_a_published_benchmark_and_answers_it(commands, smoke, tmp_path):
    store = copied(smoke[1], tmp_path)
    with running_hub() as hub:
        files = {"data/test-00000-of-00001.parquet": wild_table()}
        revision = hub.add("datasets/SakanaAI/JA-VLM-Bench-In-the-Wild", files)
        done = commands.llava_jp(store, "run", "smoke", "--set", WILD, HF_ENDPOINT=hub.url)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    announced = done.stdout.index("Unsplash licence for the photos")
    assert announced < done.stdout.index("fetching 1 files") < done.stdout.index("answer questions: 3 items in")
    assert "pretrain: " not in done.stdout  # another benchmark is no reason to train again
    assert (store / "sources" / "ja-vlm-bench-in-the-wild" / revision / "data/test-00000-of-00001.parquet").is_file()
