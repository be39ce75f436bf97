"""What a person calls a model, to the folder it lies in: an experiment, a fingerprint, a folder, a Hub repository."""

from pathlib import Path

from pipeline.config.experiment import ExperimentName, is_experiment_name, load_experiment
from pipeline.core.errors import ConfigError
from pipeline.core.settings import Settings
from pipeline.evaluation.models.weights import DIGITS, MODEL_STEP, ON_THE_HUB, ModelSource, download_model
from pipeline.planning.steps import Role
from pipeline.store.artifacts import ArtifactStore
from pipeline.store.manifest import Manifest


def find_model(name: str, settings: Settings) -> ModelSource:
    """The model of this name.

    Args:
        name: an experiment or a ``.yaml`` file, first digits of a fingerprint, a folder, or ``owner/name@revision``.
        settings: say in which store experiments and fingerprints are looked up.

    Raises:
        ConfigError: it is none of them, was not trained yet, or the Hub does not have it.
        StoreError: the digits match no artifact or several.
        TransientError: the Hub does not answer.
    """
    store = ArtifactStore(settings.store_root)
    if (Path(name) / "config.json").is_file():
        return _in_folder(name, store)
    if Path(name).is_dir() and not is_experiment_name(name):
        raise ConfigError(f"folder {name} holds no model: it has no config.json")
    if name in set(ExperimentName) or name.endswith((".yaml", ".yml")):
        return _of_experiment(name, settings)
    if DIGITS.fullmatch(name):
        return _of_artifact(store.by_fingerprint(name))
    if found := ON_THE_HUB.fullmatch(name):
        if not found["revision"]:
            raise ConfigError(f"{name} is no folder with a model; a repository on the Hub is written {name}@REVISION")
        return ModelSource(name, download_model(found["id"], revision=found["revision"]))
    raise ConfigError(
        f"no model is named {name!r}: give an experiment ({', '.join(ExperimentName)}) or its .yaml file, the first "
        "digits of a fingerprint, a folder with a model, or a repository on the Hub as owner/name@revision"
    )


def _of_experiment(name: str, settings: Settings) -> ModelSource:
    from pipeline.planning.plan import plan_experiment

    config = load_experiment(name)
    store = ArtifactStore(settings.store_root)
    manifest = plan_experiment(config, settings).find(Role(MODEL_STEP), store)
    if manifest is None:
        raise ConfigError(f"{config.name} has not been trained yet in {store.root}; `llava-jp run {name}` does it")
    return ModelSource(config.name, manifest.directory, manifest)


def _of_artifact(manifest: Manifest) -> ModelSource:
    if manifest.request.step != MODEL_STEP:
        raise ConfigError(f"{manifest.address} is not a model; a {MODEL_STEP} artifact is")
    return ModelSource(manifest.fingerprint, manifest.directory, manifest)


def _in_folder(name: str, store: ArtifactStore) -> ModelSource:
    folder = Path(name).resolve()
    address = f"{folder.parent.name}/{folder.name}"
    if folder == (store.root / "artifacts" / address).resolve() and (manifest := store.at(address)):
        return _of_artifact(manifest)
    return ModelSource(folder.name, folder)
