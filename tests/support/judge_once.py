"""One run of the judging step in a process of its own, so that it can be killed."""

import sys
from pathlib import Path

from pipeline.config.evaluation import JudgeConfig
from pipeline.core.retries import Patience
from pipeline.evaluation.judge.protocols import judging_of
from pipeline.evaluation.judge.step import judge
from pipeline.evaluation.openai_client import Endpoint, OpenAiJudge, Spending
from pipeline.store.artifacts import ArtifactStore
from tests.support.judged_benchmark import BENCHMARK, answers, publish_dataset, publish_predictions


def main(root: str, url: str) -> None:
    store = ArtifactStore(Path(root))
    manifest = judge(
        judging_of("heron-official", JudgeConfig()),
        benchmark=BENCHMARK,
        dataset=publish_dataset(store),
        predictions=publish_predictions(store, answers()),
        judge=OpenAiJudge(Endpoint(url, "key", 4, Patience(first_delay=0.01, timeout=20)), Spending()),
        store=store,
    )
    print(manifest.fingerprint)


main(*sys.argv[1:])
