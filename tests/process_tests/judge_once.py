"""One run of the judging step in a process of its own, so that it can be killed."""

import sys
from pathlib import Path

from pipeline.evaluation_config import JudgeConfig
from pipeline.judging.endpoint import Endpoint, OpenAiJudge
from pipeline.judging.judgements import judge
from pipeline.judging.spending import Spending
from pipeline.sources.patience import Patience
from pipeline.store import ArtifactStore
from tests.pipeline_tests.judged_benchmark import BENCHMARK, answers, publish_dataset, publish_predictions


def main(root: str, url: str) -> None:
    store = ArtifactStore(Path(root))
    manifest = judge(
        JudgeConfig(),
        benchmark=BENCHMARK,
        dataset=publish_dataset(store),
        predictions=publish_predictions(store, answers()),
        judge=OpenAiJudge(Endpoint(url, "key", 4, Patience(first_delay=0.01, timeout=20)), Spending()),
        store=store,
    )
    print(manifest.fingerprint)


main(*sys.argv[1:])
