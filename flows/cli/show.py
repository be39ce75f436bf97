"""``llava-jp show``: an experiment on one screen. Heavy libraries are imported where they are used."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer
import yaml
from rich.table import Table

from flows.cli.terminal import console, print_records
from pipeline.config.experiment import ExperimentConfig, load_experiment
from pipeline.core.disk import free_bytes
from pipeline.core.settings import load_settings
from pipeline.core.wording import duration_text, size_text
from pipeline.store.artifacts import ArtifactStore

if TYPE_CHECKING:
    from model.config import LlmWeights, TowerWeights
    from pipeline.compute.gpus import Device
    from pipeline.data.download.plan import FetchPlan
    from pipeline.planning.costs import Cost, Workload
    from pipeline.planning.steps import Plan, Role
    from pipeline.planning.training import StageForecast

Experiment = Annotated[str, typer.Argument(help="Name of an experiment, or path of a .yaml file.")]
Overrides = Annotated[list[str] | None, typer.Option("--set", help="Change a field: finetune.learning_rate=1e-4.")]
GpuName = Annotated[str | None, typer.Option(help='Forecast for this GPU, such as "RTX 4090".')]
WholeConfig = Annotated[bool, typer.Option("--config", help="Also the configuration, and every source's licence.")]
Memory = Annotated[bool, typer.Option("--memory", help="Also the memory under each ZeRO stage.")]


def show(
    experiment: Experiment,
    overrides: Overrides = None,
    gpu: GpuName = None,
    whole_config: WholeConfig = False,
    memory: Memory = False,
) -> None:
    """What an experiment is; each step with its fingerprint, done or to do, and what it needs."""
    config = load_experiment(experiment, overrides or ())
    from pipeline.compute.gpus import named_device, own_device
    from pipeline.data.download.datasets import plan_download, published_datasets
    from pipeline.data.download.plan import require_disk
    from pipeline.features.sizes import require_space
    from pipeline.planning.costs import estimate, workload_of
    from pipeline.planning.features import count_images, features_note
    from pipeline.planning.plan import plan_experiment

    device = own_device() if gpu is None else named_device(gpu)
    settings = load_settings()
    store = ArtifactStore(settings.store_root)
    download = plan_download(published_datasets(config), root=store.root)
    plan = plan_experiment(config, settings)
    workload = workload_of(config, plan, store=store, settings=settings)
    images = count_images(config, plan, workload.data, store=store)
    costs = estimate(workload, plan, store=store, device=device)
    to_do = {step.role for step in plan if not store.is_whole(step.request)}

    if whole_config:
        _print_config(config, download)
    _print_lines([f"{config.name} in {store.root}", config.description, _models_and_data(workload)])
    _print_steps(plan, costs, to_do)
    _print_lines([_totals([costs[role] for role in to_do], free_bytes(store.root)), device.assumption])
    if memory:
        for stage in workload.stages.values():
            _print_memory(stage, device)
    _print_lines([features_note(config, images), *_warnings(workload, costs, device), *_not_final(config, store)])
    if download:
        _print_lines(download.notes())
        require_disk(download)
    require_space(config.vision_tower, config.features, num_images=images.num_to_encode, root=store.root)


def print_download(plan: "FetchPlan") -> None:
    """Each source with its bytes and its licence; then what all take."""
    print_records(plan.rows(), title="Published data")
    _print_lines(plan.notes())


def _print_config(config: ExperimentConfig, download: "FetchPlan | None") -> None:
    console.print(yaml.safe_dump(config.model_dump(mode="json"), allow_unicode=True, sort_keys=False), markup=False)
    if download:
        print_records(download.rows(), title="Published data")


def _print_lines(lines: Iterable[str]) -> None:
    for line in lines:
        console.print(line, soft_wrap=True, highlight=False, markup=False)


def _models_and_data(workload: "Workload") -> str:
    config, data = workload.config, workload.data
    tower, llm = workload.tower.num_parameters, workload.stages["finetune"].request.sizes.num_llm
    samples = " and ".join(
        f"{data[stage].num_samples} samples on {data[stage].num_images} images ({stage})" for stage in workload.stages
    )
    return (
        f"vision tower {_name(config.vision_tower.weights)} ({tower / 1e6:.3g} M parameters), "
        f"LLM {_name(config.llm.weights)} ({llm / 1e6:.4g} M); {samples}"
    )


def _name(weights: "LlmWeights | TowerWeights") -> str:
    match weights.kind:
        case "hub":
            return weights.id
        case "local":
            return str(weights.folder)
        case "random":
            return f"random {weights.model_type}"
    return _name(weights.source)


def _print_steps(plan: "Plan", costs: Mapping["Role", "Cost"], to_do: set["Role"]) -> None:
    table = Table()
    for heading in ("step", "fingerprint", "state", "disk", "time", "memory"):
        table.add_column(heading, justify="right" if heading in ("disk", "time", "memory") else "left")
    for step in plan:
        cost, mark = costs[step.role], "~" if step.role in to_do else ""
        memory = "" if cost.memory_bytes is None else mark + size_text(cost.memory_bytes)
        disk, time = mark + size_text(cost.num_bytes), mark + duration_text(cost.seconds)
        table.add_row(str(step.role), step.fingerprint, "to do" if mark else "done", disk, time, memory)
    console.print(table)


def _totals(costs: Sequence["Cost"], free: int) -> str:
    """Of what is to do."""
    if not costs:
        return f"every step is done; {size_text(free)} free on the disk of the store"
    num_bytes, seconds = sum(one.num_bytes for one in costs), sum(one.seconds for one in costs)
    least = "" if num_bytes <= free else ", NOT ENOUGH"
    return (
        f"~ is estimated; to do are {len(costs)} steps: {size_text(num_bytes)} on disk, {duration_text(seconds)}; "
        f"{size_text(free)} free on the disk of the store{least}"
    )


def memory_rows(stage: "StageForecast", device: "Device") -> list[dict[str, object]]:
    """What lies on a device under each ZeRO stage, in GiB, with activations kept and recomputed."""
    from pipeline.compute.gpus import GIB
    from pipeline.planning.memory import under_each_zero_stage

    kept = under_each_zero_stage(stage.request, gradient_checkpointing=False)
    both = {"kept": kept, "recomputed": under_each_zero_stage(stage.request, gradient_checkpointing=True)}
    cells: dict[str, list[str]] = {}
    for part in ("weights", "gradients", "master_copies", "optimizer_states", "features", "logits", "update"):
        cells[part.replace("_", " ")] = [f"{getattr(memory, part) / GIB:.2f}" for memory in kept]
    for name, memories in both.items():
        cells[f"activations, {name}"] = [f"{memory.activations / GIB:.2f}" for memory in memories]
    for name, memories in both.items():
        fits = ["" if memory.fits(device.memory_bytes) else ", too much" for memory in memories]
        cells[f"in all, {name}"] = [
            f"{memory.num_bytes / GIB:.2f}{said}" for memory, said in zip(memories, fits, strict=True)
        ]
    return [
        {f"{stage.stage}, GiB": part, **{f"ZeRO {number}": cell for number, cell in enumerate(row)}}
        for part, row in cells.items()
    ]


def _print_memory(stage: "StageForecast", device: "Device") -> None:
    recomputed = "recomputed" if stage.request.config.gradient_checkpointing else "kept"
    devices = "one device" if stage.request.num_devices == 1 else f"each of {stage.request.num_devices} devices"
    title = f"Memory of {devices}; chosen are ZeRO {stage.zero_stage} and {recomputed} activations"
    print_records(memory_rows(stage, device), title=title)


def _warnings(workload: "Workload", costs: Mapping["Role", "Cost"], device: "Device") -> Iterator[str]:
    """Steps that a device cannot hold; of training with what would do."""
    from pipeline.planning.training import advice

    for stage in workload.stages.values():
        if said := advice(stage, device):
            yield said
        if stage.nothing_is_learned_because:
            yield stage.nothing_is_learned_because
    for role, cost in costs.items():
        needed = cost.memory_bytes or 0
        if role.kind in ("calibration", "features", "predictions") and needed > device.memory_bytes:
            yield f"{role} will not fit {device.name}: it needs {size_text(needed)} of {size_text(device.memory_bytes)}"


def _not_final(config: ExperimentConfig, store: ArtifactStore) -> Iterator[str]:
    """Fingerprints that the first run will change."""
    from pipeline.data.download.datasets import is_pinned, published_datasets
    from pipeline.data.download.hub_datasets import hub_datasets, unpinned_datasets
    from pipeline.data.download.models import unpinned_models

    named = hub_datasets(config.evaluation, config.datasets)
    if unpinned := [*unpinned_models(config, root=store.root), *unpinned_datasets(named, root=store.root)]:
        yield f"the first run pins {', '.join(unpinned)} to a commit; fingerprints of steps with it are not final"
    if (published := published_datasets(config)) and not is_pinned(published, root=store.root):
        yield "fingerprints of steps on sources that are not pinned yet are not final"
