"""Steps that encode images: the scales of int8 features, the features themselves."""

from model.config import VisionTowerConfig
from pipeline.config.experiment import (
    FeatureConfig,
    LimitsConfig,
)
from pipeline.config.identity import Identities
from pipeline.features.step import (
    cache_features,
    calibrate_features,
    calibration_request,
    feature_counts,
    features_request,
    require_features,
)
from pipeline.planning.steps import Machine, Made, Report, Role, Step
from pipeline.store.manifest import Manifest


def calibration(tower: VisionTowerConfig, config: FeatureConfig, dataset: Step, *, identities: Identities) -> Step:
    """The scales of int8 features."""
    return Step(
        Role("calibration"),
        "cache_features",
        calibration_request(tower, config, identities, dataset_fingerprint=dataset.fingerprint),
        lambda made, machine: calibrate_features(
            tower, config, dataset=made[dataset.role], store=machine.store, run_job=machine.run_encoding
        ),
        reads=(dataset.role,),
        num_devices=lambda machine: 0 if machine.cluster else 1,
    )


def features(
    tower: VisionTowerConfig,
    config: FeatureConfig,
    dataset: Step,
    calibration: Step | None,
    *,
    limits: LimitsConfig,
    identities: Identities,
) -> Step:
    """The vision tower's features of every image of a dataset."""
    stage = dataset.role.of
    role = Role("features", stage)
    calibrated = [calibration.role] if calibration else []

    def make(made: Made, machine: Machine) -> Manifest:
        return cache_features(
            tower,
            config,
            dataset=made[dataset.role],
            calibration=made[calibration.role] if calibration else None,
            store=machine.store,
            run_job=machine.run_encoding,
        )

    request = features_request(
        tower,
        config,
        identities,
        dataset_fingerprint=dataset.fingerprint,
        calibration_fingerprint=calibration.fingerprint if calibration else None,
    )
    limit = limits.max_rejected_fraction
    return Step(
        role,
        "cache_features",
        request,
        make,
        reads=(dataset.role, *calibrated),
        num_devices=lambda machine: 0 if machine.cluster else machine.settings.num_processes,
        report=lambda made: Report(tables={"features": [{"dataset": stage, **feature_counts(made[role])}]}),
        gate=lambda made: require_features(made[role], name=stage, max_failed_fraction=limit),
    )
