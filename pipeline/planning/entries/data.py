"""Steps that prepare data: datasets in one form, checks of translations, contamination."""

from collections.abc import Mapping

from pipeline.config.datasets import PublishedSource
from pipeline.config.experiment import (
    ContaminationConfig,
    DatasetSource,
    LimitsConfig,
    TranslationChecksConfig,
)
from pipeline.config.identity import Identities
from pipeline.data.contamination import (
    contamination_line,
    contamination_request,
    contamination_rows,
    find_contamination,
    require_uncontaminated,
)
from pipeline.data.prepare import DatasetSummary, prepare_dataset, prepare_request, require_complete
from pipeline.data.translation_checks import check_translations, require_acceptable, translation_checks_request
from pipeline.data.translation_report import AcceptedSummary, counts_line, report_of
from pipeline.planning.steps import Machine, Made, Report, Role, Step
from pipeline.store.manifest import Manifest


def dataset(name: str, source: DatasetSource, *, is_benchmark: bool, identities: Identities) -> Step:
    """A training dataset or a benchmark's items in one form."""
    role = Role("dataset", name)

    def gate(made: Made) -> None:
        if is_benchmark:
            require_complete(made[role], name=name)

    return Step(
        role,
        "prepare_data",
        prepare_request(source, identities),
        lambda _, machine: prepare_dataset(source, store=machine.store),
        fetches=(source.name,) if isinstance(source, PublishedSource) else (),
        gate=gate,
    )


def translation(config: TranslationChecksConfig, dataset: Step, *, limits: LimitsConfig) -> Step:
    """The checks of a dataset's translation, and the list of accepted samples."""
    stage = dataset.role.of
    role = Role("translation", stage)

    def report(made: Made) -> Report:
        checks, examples = report_of(made[role])
        counts = _sample_counts(made[dataset.role], made[role])
        line = f"{dataset.role}, {counts_line(made[dataset.role], made[role])}"
        return Report(
            line, tables={"samples": [counts], "translation_checks": checks, "translation_examples": examples}
        )

    def gate(made: Made) -> None:
        limit = limits.max_rejected_fraction
        require_acceptable(made[dataset.role], made[role], name=stage, max_rejected_fraction=limit)

    return Step(
        role,
        "prepare_data",
        translation_checks_request(config, dataset_fingerprint=dataset.fingerprint),
        lambda made, machine: check_translations(config, dataset=made[dataset.role], store=machine.store),
        reads=(dataset.role,),
        report=report,
        gate=gate,
    )


def contamination(config: ContaminationConfig, dataset: Step, accepted: Step, benchmarks: Mapping[str, Step]) -> Step:
    """What the training images share with the benchmarks."""
    stage = dataset.role.of
    role = Role("contamination", stage)

    def make(made: Made, machine: Machine) -> Manifest:
        return find_contamination(
            config,
            dataset=made[dataset.role],
            accepted=made[accepted.role],
            benchmarks={name: made[step.role] for name, step in benchmarks.items()},
            store=machine.store,
        )

    def gate(made: Made) -> None:
        if config.exclude:
            require_uncontaminated({stage: made[role]})

    request = contamination_request(
        config,
        dataset=dataset.fingerprint,
        accepted=accepted.fingerprint,
        benchmarks={name: step.fingerprint for name, step in benchmarks.items()},
    )
    return Step(
        role,
        "prepare_data",
        request,
        make,
        reads=(dataset.role, accepted.role, *(step.role for step in benchmarks.values())),
        report=lambda made: Report(
            f"{dataset.role}, {contamination_line(made[role], is_excluded=config.exclude)}",
            tables={"contamination": contamination_rows(stage, made[role])},
        ),
        gate=gate,
    )


def _sample_counts(dataset: Manifest, accepted: Manifest) -> dict[str, object]:
    prepared = DatasetSummary.of(dataset).model_dump(exclude={"source"})
    return {**prepared, "num_accepted": AcceptedSummary.of(accepted).num_accepted}
