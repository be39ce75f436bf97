"""What the Hugging Face Hub reads of a released model: the front matter of its card, and ``.eval_results/*.yaml``.

The value of a score says nothing without its protocol, so that and the interval stand in the notes of each entry.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import yaml
from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml

from pipeline.benchmarks.known import KNOWN_BENCHMARKS, OVERALL
from pipeline.core.wording import encodable
from pipeline.release.facts import ModelFacts, ScoreFact

EVAL_RESULTS = ".eval_results"
NON_COMMERCIAL = "cc-by-nc-4.0"
"""The licence of a model that learned from data of which a part forbids commercial use: LLaVA-JP's is the same."""
UNITS = "percent"


def front_matter(facts: ModelFacts | None, *, is_s2: bool) -> str:
    """The YAML at the top of the card, without its marks."""
    fields: dict[str, Any] = {
        "language": ["ja"],
        "library_name": "transformers",
        "pipeline_tag": "image-text-to-text",
        **licence_fields(facts),
        "tags": ["llava", "japanese", "vision-language-model", *(["s2"] if is_s2 else [])],
    }
    if facts and (base_models := [origin.split(" at ")[0] for origin in (facts.llm, facts.tower) if " at " in origin]):
        fields["base_model"] = list(dict.fromkeys(map(encodable, base_models)))
    if facts and (repos := [repo for data in facts.data for repo in data.repos]):
        fields["datasets"] = list(dict.fromkeys(map(encodable, repos)))
    return str(yaml.safe_dump(fields, allow_unicode=True, sort_keys=False))


def licence_fields(facts: ModelFacts | None) -> Mapping[str, str]:
    """Non-commercial where a part of the training data is; otherwise what the card says of the parts."""
    if facts and any(data.non_commercial for data in facts.data):
        return {"license": NON_COMMERCIAL}
    return {"license": "other", "license_name": "see-model-card", "license_link": "README.md"}


def eval_results(facts: ModelFacts, *, page: str | None) -> Mapping[str, str]:
    """Files of ``.eval_results`` by name: one for each benchmark whose data are on the Hub, and protocol.

    Args:
        facts: with the scores.
        page: address of the model's page, which says how it was measured; None: there is none yet.
    """
    scores: dict[str, list[ScoreFact]] = {}
    for score in facts.scores:
        if score.group == OVERALL and _repo(score) is not None:
            scores.setdefault(score.benchmark, []).append(score)
    return {
        f"{label.replace('/', '.')}.yaml": yaml.safe_dump(
            eval_result_entries_to_yaml(list(_entries(found, page))), allow_unicode=True, sort_keys=False
        )
        for label, found in scores.items()
    }


def _entries(scores: list[ScoreFact], page: str | None) -> Iterator[EvalResultEntry]:
    for score in scores:
        repo, revision = _repo(score) or ("", None)
        protocol = score.benchmark.partition("/")[2]
        interval = f"95 % interval {score.low:.2f} to {score.high:.2f}"
        yield EvalResultEntry(
            dataset_id=repo,
            task_id=f"{protocol}.{score.metric}",
            value=round(score.mean, 4),
            dataset_revision=revision,
            date=score.date,
            source_url=page,
            source_name=None if page is None else "Model card",
            notes=f"{score.metric} in {UNITS}, protocol {protocol}, {score.num_items} items, {interval}",
        )


def _repo(score: ScoreFact) -> tuple[str, str | None] | None:
    """The dataset on the Hub that holds a benchmark's questions, and its revision where it is pinned."""
    benchmark = KNOWN_BENCHMARKS.get(score.benchmark.partition("/")[0])
    if benchmark is None:
        return None
    name = benchmark.dataset.annotations.source
    source = next(source for source in benchmark.sources if source.name == name)
    return (source.repo, source.revision) if source.kind == "hub_dataset" and source.repo else None
