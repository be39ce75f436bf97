"""The README.md of a released model, in Japanese and English: what it is, how to use it, data, licences, scores."""

import json
import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from jinja2 import Environment, PackageLoader, StrictUndefined

from pipeline.core.wording import encodable, markdown_text
from pipeline.release.facts import ModelFacts, StageFact
from pipeline.release.metadata import front_matter, licence_fields

if TYPE_CHECKING:
    from model.disk.checkpoint import LoadedModel

TEMPLATE = "model_card.md"
ReleaseFormat = Literal["llava-jp", "transformers", "gguf"]


def model_card(
    model: "LoadedModel",
    facts: ModelFacts | None,
    *,
    name: str,
    repo: str,
    source: str,
    form: ReleaseFormat,
    dtype: str,
    mlflow_run: str | None,
) -> str:
    """The page.

    Args:
        model: what is released.
        facts: of a model that was trained in this store; None for one that comes from elsewhere.
        name: title of the page.
        repo: what the example passes to ``from_pretrained``.
        source: where a model comes from that was not trained here, for people.
        form: which class loads the folder.
        dtype: number format of the weights.
        mlflow_run: id of the run that trained it.
    """
    images, tower = model.config.images, model.vision_tower
    is_s2 = len(images.scales) > 1
    scales = f", S2 {list(images.scales)}" if is_s2 else ""
    llm_config, tower_config = model.vlm.llm.config, tower.vit.config
    licence_lines = list(dict.fromkeys(line for data in facts.data for line in data.licences)) if facts else []
    num_parameters = sum(parameter.numel() for part in (tower, model.vlm) for parameter in part.parameters())
    environment = Environment(
        loader=PackageLoader("pipeline.release", ""),
        undefined=StrictUndefined,
        autoescape=False,  # Markdown: what comes from data goes through a filter
        keep_trailing_newline=True,
    )
    environment.filters |= {"shown": markdown_text, "quoted": _quoted, "worded": _worded}
    return environment.get_template(TEMPLATE).render(
        name=name,
        repo=repo,
        source=source,
        model=_with_lines(facts) if facts else None,
        mlflow_run=f"`{markdown_text(mlflow_run)}`" if mlflow_run else None,
        versions=", ".join(f"{key} {value}" for key, value in facts.versions.items()) if facts else "",
        llm=_part(llm_config, facts.llm if facts else ""),
        tower=_part(tower_config, facts.tower if facts else ""),
        image=f"{images.image_size} x {images.image_size}{scales}, {tower.num_tokens(images.layout)} tokens, "
        f"layout {images.layout}",
        parameters=f"{num_parameters / 1e9:.2f}B" if num_parameters >= 1e8 else f"{num_parameters / 1e6:.2f}M",
        dtype=dtype,
        front_matter=front_matter(facts, is_s2=is_s2),
        licence=licence_fields(facts)["license"],
        non_commercial=list(dict.fromkeys(name for data in facts.data for name in data.non_commercial))
        if facts
        else [],
        licence_lines=licence_lines,
        remote_code=form == "llava-jp",
        trust=", trust_remote_code=True" if form == "llava-jp" else "",
        summary_ja="画像についての質問に日本語で答える視覚言語モデルです。",
        summary_en="A vision-language model that answers questions about images in Japanese.",
    )


def _quoted(text: str) -> str:
    """A text in quotes, as YAML and Python read it."""
    return json.dumps(encodable(text), ensure_ascii=False)


def _worded(text: str) -> str:
    """A text as one word of a shell."""
    return shlex.quote(" ".join(encodable(text).split()))


def _part(config: Any, origin: str) -> str:
    return f"{config.model_type}, {config.num_hidden_layers} x {config.hidden_size}" + (f"; {origin}" if origin else "")


def _with_lines(facts: ModelFacts) -> Mapping[str, Any]:
    values = {name: getattr(facts, name) for name in facts.__slots__}
    return {**values, "stages": [{"stage": stage.stage, "line": _stage_line(stage)} for stage in facts.stages]}


def _stage_line(stage: StageFact) -> str:
    """The settings that decide the result, and the last loss."""
    settings, summary = stage.settings, stage.summary
    parts = [
        f"learning rate {settings['learning_rate']:g}",
        f"batch {settings['global_batch_size']}",
        f"epochs {settings['num_epochs']}",
        f"optimizer {settings['optimizer']}",
        f"max length {settings['max_length']}",
        f"template {settings['template']}",
        f"seed {settings['seed']}",
        f"optimizer steps {summary.num_optimizer_steps}",
        f"last loss {summary.final_loss:.3f}",
    ]
    return ", ".join(parts)
