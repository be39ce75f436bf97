import json
import os

import pytest
from typer.testing import CliRunner

from flows.cli.main import app
from pipeline.config.experiment import load_experiment
from pipeline.core.settings import load_settings
from pipeline.planning.plan import plan_experiment, write_index
from pipeline.planning.steps import Role
from pipeline.store.artifacts import ArtifactStore
from tests.support.commands import Commands, clean_environment
from tests.support.object_server import KEY, SECRET, object_server


@pytest.fixture(scope="module")
def server():
    with object_server() as running:
        yield running


@pytest.fixture
def llava_jp(server, monkeypatch):
    """``llava-jp ARGUMENTS`` on a store, in this process."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "LLAVA_JP_"))]:
        monkeypatch.delenv(name)
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)

    def run(root, *arguments):
        monkeypatch.setenv("LLAVA_JP_STORE", str(root))
        return CliRunner().invoke(app, arguments)

    return run


@pytest.fixture
def store(tmp_path):
    """A store with two of the steps of ``smoke``, and an artifact of nobody with a part."""
    store = ArtifactStore(tmp_path / "store")
    smoke = load_experiment("smoke")
    for step in plan_experiment(smoke, load_settings()):
        if step.role.kind == "dataset" and step.role.of != "finetune":
            store.produce(step.request, lambda directory: (directory / "a.bin").write_text("0123456789") and {})
    request = plan_experiment(smoke, load_settings())[Role("dataset", "pretrain")].request
    part = store.produce(request.model_copy(update={"step": "part"}), lambda directory: {})
    store.produce(request.model_copy(update={"step": "whole"}), lambda directory: {"parts": [part.address]})
    write_index(smoke.name, plan_experiment(smoke, load_settings()), store_root=store.root)
    return store


def addresses(root) -> set[str]:
    return {manifest.address for manifest in ArtifactStore(root).manifests()}


def test_a_store_goes_to_a_bucket_and_comes_back(server, store, tmp_path):
    kept = {name: value for name, value in clean_environment(tmp_path).items() if not name.startswith("AWS_")}
    commands = Commands({**kept, **server.environment})
    url, copy = f"s3://{server.new_bucket()}/a", tmp_path / "copy"
    pushed = commands.llava_jp(store.root, "push", url)
    pulled = commands.llava_jp(copy, "pull", url)
    assert (pushed.stderr, pulled.stderr) == ("", "")
    assert pushed.stdout.splitlines()[-1] == "pushed 4 artifacts, 2 files, 20 bytes; 0 were there already"
    assert pulled.stdout.splitlines()[-1] == "pulled 4 artifacts, 2 files, 20 bytes; 0 were here already"
    assert addresses(copy) == addresses(store.root)
    assert (copy / "experiments" / "smoke.json").read_text() == (store.root / "experiments" / "smoke.json").read_text()
    for secret in (KEY, SECRET):
        assert secret not in pushed.stdout + pulled.stdout
        assert not [path for path in copy.rglob("*") if path.is_file() and secret in path.read_text()]


def test_an_experiment_takes_its_own_artifacts_and_its_index(llava_jp, server, store, tmp_path):
    bucket, copy = server.new_bucket(), tmp_path / "copy"
    pushed = llava_jp(store.root, "push", f"s3://{bucket}", "smoke")
    assert pushed.stdout.splitlines()[-1] == "pushed 2 artifacts, 2 files, 20 bytes; 0 were there already"
    assert {key.split("/")[1] for key in server.keys(bucket)} == {"dataset", "smoke.json"}
    pulled = llava_jp(copy, "pull", f"s3://{bucket}", "smoke")
    assert pulled.stdout.splitlines()[-1] == "pulled 2 artifacts, 2 files, 20 bytes; 0 were here already"
    again = llava_jp(copy, "pull", f"s3://{bucket}", "smoke")
    assert again.stdout.splitlines()[-1] == "pulled 0 artifacts, 0 files, 0 bytes; 2 were here already"
    assert json.loads((copy / "experiments" / "smoke.json").read_text())["experiment"] == "smoke"


def test_the_first_digits_of_a_fingerprint_take_it_and_its_parts(llava_jp, store, tmp_path):
    (tmp_path / "share").mkdir()
    share, copy = (tmp_path / "share").as_uri(), tmp_path / "copy"
    whole = next(manifest for manifest in store.manifests() if manifest.request.step == "whole")
    llava_jp(store.root, "push", share, whole.fingerprint[:6])
    pulled = llava_jp(copy, "pull", share, whole.fingerprint[:6])
    assert pulled.stdout.splitlines()[-1] == "pulled 2 artifacts, 0 files, 0 bytes; 0 were here already"
    assert addresses(copy) == {whole.address, *whole.parts}
    missing = llava_jp(copy, "pull", share, "0000")
    assert (missing.exit_code, missing.stderr) == (1, f"error: fingerprint '0000' matches nothing in {share}\n")
    none = llava_jp(copy, "pull", share, "smoke")
    assert none.stderr == f"error: no artifact of smoke is in {share}; `llava-jp show smoke` lists them\n"


def test_an_index_that_is_none_is_refused(llava_jp, store, tmp_path):
    share, copy = tmp_path / "share", tmp_path / "copy"
    (share / "experiments").mkdir(parents=True)
    (share / "experiments" / "..evil.json").write_text("[]")
    (share / "experiments" / "smoke.json").write_text('{"experiment": "other", "steps": []}')
    pulled = llava_jp(copy, "pull", share.as_uri())
    assert pulled.stderr == f"error: {share.as_uri()}/experiments/smoke.json is the index of 'other'; remove it\n"
    assert not (copy / "experiments").exists()


def test_discard_says_what_was_removed_and_what_it_was_a_part_of(llava_jp, store):
    part, whole = (next(each for each in store.manifests() if each.request.step == name) for name in ("part", "whole"))
    done = llava_jp(store.root, "discard", part.fingerprint)
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        f"removed {part.address}: 0 files, 0 bytes; the next run makes it again",
        f"it was a part of {whole.address}, which is incomplete until then",
    ]
    verified = llava_jp(store.root, "verify")
    assert verified.stderr.splitlines() == [
        f"error: {store.root} is damaged:",
        f"  {whole.directory}: its part {part.address} is missing; the next run of its experiment makes it again",
    ]


def test_verify_names_every_damaged_manifest_and_discard_takes_it(llava_jp, store):
    damaged = list(store.manifests())[:2]
    for manifest in damaged:
        path = manifest.directory / "manifest.json"
        path.write_bytes(path.read_bytes().replace(b"a.bin", b"b.bin"))
    verified = llava_jp(store.root, "verify")
    assert verified.exit_code == 1
    lines = verified.stderr.splitlines()
    assert [line.split("/manifest.json is damaged: ")[0].strip() for line in lines[1:]] == [
        str(manifest.directory) for manifest in damaged
    ]
    asked = llava_jp(store.root, "discard", damaged[0].fingerprint)
    assert asked.stdout.startswith(f"removed {damaged[0].address}: 1 files, 10 bytes")
    assert not damaged[0].directory.exists()
