"""Japanese-Heron-Bench in a run: answered without a judge, judged as soon as there is one, compared."""

import hashlib
import json
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from pipeline.data.download.hub import where
from pipeline.data.download.registry import find_source
from pipeline.store.lockfile import LockedFile, LockedSource, SourceLock
from pipeline.store.queries import run_query
from tests.support.commands import copied
from tests.support.judge_server import serving, verdict
from tests.support.judged_benchmark import RULES, item_rows
from tests.support.small_data import picture

pytestmark = pytest.mark.long

HERON = "evaluation.benchmarks=[{name: japanese-heron-bench}]"


def put(store: Path, name: str, files: dict[str, bytes]) -> None:
    """Lay the files of a source where fetching would, and pin it to them."""
    source = find_source(name)
    revision = source.revision or "0" * 16
    locked = []
    for path, content in files.items():
        place = store / "sources" / name / revision / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
        locked.append(LockedFile(path=path, num_bytes=len(content), sha256=hashlib.sha256(content).hexdigest()))
    patterns = tuple(file.name for file in source.files)
    SourceLock(store).pin(
        name, LockedSource(where=where(source), revision=revision, patterns=patterns, files=tuple(locked))
    )


def put_heron(store: Path) -> None:
    def lines(*records: dict) -> bytes:
        return "".join(f"{json.dumps(record, ensure_ascii=False)}\n" for record in records).encode()

    items = item_rows()
    names = ("image", "category", "image_category", "context")
    questions = [
        {"question_id": int(item["item_id"]), "text": item["question"], **{name: item[name] for name in names}}
        for item in items
    ]
    references = [{"question_id": int(item["item_id"]), "text": item["reference"]} for item in items]
    images = {f"images/{item['image']}": picture(int(item["image"][:3])) for item in items}
    files = {"questions_ja.jsonl": lines(*questions), "answers_gpt4.jsonl": lines(*references), **images}
    put(store, "japanese-heron-bench", {**files, "context_ja.jsonl": b"", "LICENCE.md": b"none"})
    put(store, "heron-bench-judge", {"rule.json": json.dumps(RULES).encode()})


@pytest.mark.slow
def test_answers_are_judged_as_soon_as_there_is_a_judge(commands, smoke, tmp_path):
    store = copied(smoke[1], tmp_path)
    put_heron(store)
    alone = commands.llava_jp(store, "run", "smoke", "--set", HERON)
    assert alone.returncode == 0, alone.stdout + alone.stderr
    assert "japanese-heron-bench/all is not judged: no judge is configured. Set OPENAI_API_KEY" in alone.stdout
    assert not list(store.glob("artifacts/judgements/*"))
    with serving(lambda item, _: verdict(item)) as server:
        judged = commands.llava_jp(store, "run", "smoke", "--set", HERON, OPENAI_BASE_URL=server.url)
        assert judged.returncode == 0, judged.stdout + judged.stderr
        assert judged.stderr == ""
        assert server.asked == dict.fromkeys(range(103), 1)
    answer = run_query("judged_scores", store_root=store, parameters={"experiment": "smoke"})
    scores = {row[answer.columns.index("metric")]: row[answer.columns.index("value")] for row in answer.rows}
    assert scores["average_macro"] == pytest.approx(68.3333, abs=1e-4)
    assert scores["average_pooled"] == pytest.approx(62.9442, abs=1e-4)
    (report,) = [
        path.read_text(encoding="utf-8")
        for path in store.glob("artifacts/comparison/*/report.md")
        if "Heron average_macro" in path.read_text(encoding="utf-8") and "68.3" in path.read_text(encoding="utf-8")
    ]
    assert "published" in report
    client = MlflowClient(f"sqlite:///{store / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("llava-jp")
    assert len(client.search_traces(locations=[experiment.experiment_id], max_results=200)) == 103
