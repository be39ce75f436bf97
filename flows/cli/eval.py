"""``llava-jp eval``: measure any model with any benchmarks."""

from typing import Annotated, Literal

import typer

from flows.cli.compare import flow_narrated, print_comparison, require_prefect
from flows.cli.terminal import console, interrupted_by_schedulers
from pipeline.core.settings import load_settings

MODEL_HELP = (
    "An experiment, first digits of a fingerprint, a folder, owner/name@revision on the Hub; endpoint:NAME for a model "
    "behind an OpenAI-compatible endpoint; a .json or .jsonl file of answers, for several benchmarks as "
    "BENCHMARK=FILE,BENCHMARK=FILE."
)


def eval_model(
    model: Annotated[str, typer.Option(help=MODEL_HELP)],
    benchmarks: Annotated[
        str,
        typer.Option(
            help="Known benchmarks, japanese for all of them, or experiments whose benchmarks are meant; several "
            "with commas."
        ),
    ],
    name: Annotated[
        str | None, typer.Option(help="Name in tables and for `compare`; default: made of the model.")
    ] = None,
    protocol: Annotated[
        str | None,
        typer.Option(
            help="Which questions are asked and whose scores are meant, of the benchmarks that have a choice: "
            "first-of-8, all, eval-mm-9f450a5."
        ),
    ] = None,
    blind: Annotated[
        bool, typer.Option("--blind", help="Also ask everything without its images: what is right then was not seen.")
    ] = False,
    generation: Annotated[str, typer.Option(help="greedy-256, sakana, demo or heron.")] = "greedy-256",
    batch_size: Annotated[int, typer.Option(min=1, help="Questions answered together.")] = 16,
    preset: Annotated[str | None, typer.Option(help="Prompt of a model without a chat template; see docs.")] = None,
    trust_remote_code: Annotated[
        bool, typer.Option("--trust-remote-code", help="Run the Python files that lie with the model. Read them first.")
    ] = False,
    dtype: Annotated[
        Literal["auto", "float32", "bfloat16", "float16"],
        typer.Option(help="Weights; auto: our own models in float32, others as saved."),
    ] = "auto",
    repeats: Annotated[int | None, typer.Option(min=1, help="How often a judge judges every answer.")] = None,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", help="Change a field: limits.max_failed_items=1.")
    ] = None,
) -> None:
    """Measure a model with benchmarks: answers, scores, judgements. What is already done is not done again."""
    interrupted_by_schedulers()
    from pipeline.evaluation.measure import require_reachable
    from pipeline.evaluation.models.parse import benchmarks_of, evaluation_of, model_of

    asked = benchmarks_of([one.strip() for one in benchmarks.split(",") if one.strip()], protocol, blind=blind)
    names = list(dict.fromkeys(one["name"] for one in asked))
    found = model_of(model, benchmarks=names, preset=preset, trust_remote_code=trust_remote_code, dtype=dtype)
    judged = [] if repeats is None else [f"evaluation.judge.repeats={repeats}"]
    evaluation = evaluation_of(
        found,
        name=name,
        benchmarks=asked,
        generation=generation,
        batch_size=batch_size,
        overrides=[*judged, *(overrides or ())],
    )
    require_reachable(evaluation.model, load_settings())
    require_prefect()
    from flows.evaluate_model import evaluate_model

    console.rule(f"[bold]{evaluation.name}", align="left")
    with flow_narrated():
        comparison = evaluate_model(evaluation)
    print_comparison(comparison)
