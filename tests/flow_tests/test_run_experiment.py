"""`llava-jp` as a user sees it, on the smallest experiment."""

import re
import socket
import sys
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from pipeline.store.artifacts import ArtifactStore
from pipeline.store.sql_files import sql_files
from tests.support.commands import LLAVA_JP, LONGER, copied

ROLES = (
    *("dataset/pretrain", "dataset/finetune", "dataset/shapes-ja", "translation/pretrain", "translation/finetune"),
    *("contamination/pretrain", "contamination/finetune", "features/pretrain", "features/finetune"),
    *("pretrain", "finetune"),
    *("predictions/shapes-ja", "scores/shapes-ja"),
)
NOISE = (
    *("warning", "nanobind", "deprecat", "deepspeed", "alembic", "loading weights", "traceback", "torch_dtype"),
    *("prefect", "mlflow", "huggingface", "error"),
)
TO_DO_AGAIN = {"finetune", "predictions/shapes-ja", "scores/shapes-ja"}
"""Steps that a change of the second stage makes anew."""


def artifacts(store: Path) -> set[str]:
    return {f"{manifest.request.step}/{manifest.fingerprint}" for manifest in ArtifactStore(store).manifests()}


@pytest.mark.slow
def test_a_run_reports_progress_and_ends_with_the_scores(smoke):
    done, store = smoke
    assert done.returncode == 0, done.stdout + done.stderr
    assert "smoke: 0 of 13 steps are already done" in done.stdout
    for line in (
        "draw images: 48 images in",
        f"check translations: {len(sql_files('checks/translation'))} checks in",
        "encode images: 48 images in",
        "encode images: 16 images in",
        "pretrain: 6 optimizer steps in",
        "finetune: 12 optimizer steps in",
        "answer questions: 24 items in",
        "score shapes-ja: 48 scores in",
        "Scores with 95 % intervals",
    ):
        assert line in done.stdout
    assert re.search(r"│ shapes-ja │ all +│ exact_match │ overall +│ 24 +│", done.stdout)
    for what in ("radar chart", "sample answers"):
        path = Path(re.search(rf"^{what}: +(.+)$", done.stdout, re.MULTILINE)[1])
        assert path.is_file()
        assert path.is_relative_to(store)


def test_a_run_prints_nothing_that_is_not_ours(smoke):
    done, store = smoke
    lines = done.stdout.replace(str(store), "").lower().splitlines()
    assert done.stderr == ""
    assert [line for line in lines for word in NOISE if word in line] == []


def test_the_model_is_a_version_in_mlflows_registry_with_its_scores(smoke):
    _, store = smoke
    client = MlflowClient(f"sqlite:///{store}/mlflow.db")
    version = client.get_model_version_by_alias("smoke", "current")
    (folder,) = (store / "artifacts" / "finetune").iterdir()
    assert (version.source, version.tags["fingerprint"]) == (folder.as_uri(), folder.name)
    assert client.get_run(version.run_id).data.tags["step"] == "finetune"
    assert 0 <= float(version.tags["score.shapes-ja.rougeL"]) <= 100


def test_the_same_run_again_does_nothing_and_says_so(commands, smoke):
    _, store = smoke
    before = {path: path.stat().st_mtime_ns for path in (store / "artifacts").rglob("*")}
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = str(taken.getsockname()[1])
        again = commands.llava_jp(store, "run", "smoke", LLAVA_JP_MASTER_PORT=port)  # no training could start
    assert again.returncode == 0, again.stdout + again.stderr
    assert {path: path.stat().st_mtime_ns for path in (store / "artifacts").rglob("*")} == before
    assert "smoke: 13 of 13 steps are already done" in again.stdout
    for name in {name for name in artifacts(store) if not name.startswith("feature_shard/")}:
        assert f"{name.replace('/', ' ')}: already done" in again.stdout
    assert " steps in " not in again.stdout
    assert again.stderr == ""


@pytest.mark.slow
def test_a_change_of_the_second_stage_repeats_only_what_depends_on_it(smoke, longer):
    _, before = smoke
    done, store = longer
    assert done.returncode == 0, done.stdout + done.stderr
    new = artifacts(store) - artifacts(before)
    assert sorted(name.split("/")[0] for name in new) == ["comparison", "finetune", "predictions", "scores"]
    assert "finetune: 60 optimizer steps in" in done.stdout
    assert "pretrain: " not in done.stdout


def shown(output: str) -> dict[str, list[str]]:
    """Cells of the table of steps, by role."""
    steps = output.partition("~ is estimated")[0].splitlines()
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in steps if line.startswith("│")]
    return {row[0]: row[1:] for row in rows}


def test_show_tells_what_each_step_took_or_what_it_needs(commands, smoke):
    _, store = smoke
    done = commands.llava_jp(store, "show", "smoke", *LONGER)
    assert "features of 64 images, 64 of them cached; form is exact; all take 524.3 kB as exact" in done.stdout
    steps = shown(done.stdout)
    assert tuple(steps) == ROLES
    assert {role for role, (_, state, *_) in steps.items() if state == "to do"} == TO_DO_AGAIN
    published = {manifest.fingerprint for manifest in ArtifactStore(store).manifests()}
    for role, (fingerprint, state, disk, seconds, _) in steps.items():
        assert (fingerprint in published) == (state == "done")
        if state == "done":
            assert re.fullmatch(r"[\d.]+ [kM]?B", disk), role
            assert re.fullmatch(r"[\d.]+ s", seconds), role
    for cell in steps["finetune"][2:]:
        assert cell.startswith("~")


def test_query_lists_the_questions_and_answers_them(commands, smoke):
    _, store = smoke
    listed = commands.llava_jp(store, "query")
    assert "loss_curve" in listed.stdout
    answered = commands.llava_jp(store, "query", "scores_by_category")
    assert answered.returncode == 0, answered.stderr
    assert "small_detail" in answered.stdout


def test_verify_accepts_what_was_published_and_names_a_file_with_a_changed_byte(commands, smoke, tmp_path):
    _, store = smoke
    store = copied(store, tmp_path)
    shard = next(store.glob("artifacts/feature_shard/*/features.parquet"))
    intact = commands.llava_jp(store, "verify", shard.parent.name[:8])
    assert intact.returncode == 0, intact.stderr
    assert "all as published" in intact.stdout
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    damaged = commands.llava_jp(store, "verify", shard.parent.name)
    assert damaged.returncode == 1
    assert "features.parquet changed: its sha256 is not " in damaged.stderr
    assert damaged.stderr.count("changed") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "smoke", "--set", "finetune.learning_rte=1"), "finetune.learning_rte: Extra inputs are not permitted"),
        (("run", "nope"), "no experiment is named 'nope'; there are: demo-v1.0, demo-v1.1, llava-jp-"),
        (("run", "smoke", "--set", "finetune"), "--set 'finetune' is not of the form section.field=value"),
        (("query", "los_curve"), "los_curve"),
        (("verify", "0000"), "matches nothing"),
    ],
)
def test_a_mistake_is_one_message_without_a_traceback(commands, tmp_path, arguments, message):
    done = commands.llava_jp(tmp_path, *arguments)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("error:") == 1
    assert message in done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_a_missing_file_is_found_before_anything_runs(commands, tmp_path):
    local = "datasets.finetune={kind: local, annotations: /no/such.json, images: /no/images}"
    done = commands.llava_jp(tmp_path, "run", "smoke", "--set", local)
    assert done.returncode == 1
    assert done.stderr == "error: /no/such.json does not exist; check the paths of the experiment\n"
    assert "Traceback" not in done.stdout
    assert not (tmp_path / "artifacts").exists()


IN_A_TERMINAL = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))"


@pytest.mark.long  # a real start, which takes a quarter of a minute
def test_a_terminal_shows_no_notice_of_a_library(commands, tmp_path):
    (tmp_path / "empty.json").write_text("[]")
    local = f"datasets.finetune={{kind: local, annotations: {tmp_path}/empty.json, images: {tmp_path}}}"
    settings = {"PREFECT_HOME": str(tmp_path / "new"), "TERM": "dumb", "COLUMNS": "99"}
    command = (*LLAVA_JP, "run", "smoke", "--set", local)
    store = {"LLAVA_JP_STORE": str(tmp_path / "store")}
    done = commands.finished(sys.executable, "-c", IN_A_TERMINAL, *command, **settings, **store)
    assert done.returncode == 1
    lines = [line for line in done.stdout.splitlines() if line]
    assert lines[0].startswith("smoke ──")
    assert "error: " in done.stdout
    assert not [line for line in lines if "Prefect" in line or "anonymous" in line]
