"""`llava-jp encode` as a user of several machines sees it."""

import pytest

from pipeline.store.artifacts import ArtifactStore
from tests.support.commands import copied


def test_parts_are_encoded_and_a_run_finds_them(commands, smoke, tmp_path):
    store = copied(smoke[1], tmp_path, without=("features", "feature_shard"))
    for part in ("1/2", "2/2"):
        done = commands.llava_jp(store, "encode", "smoke", "--part", part)
        assert done.returncode == 0, done.stdout + done.stderr
        assert f"images without features were in part {part}" in done.stdout
        assert done.stderr == ""
    run = commands.llava_jp(store, "run", "smoke")
    assert run.returncode == 0, run.stdout + run.stderr
    assert "features: 48 of 48 images are cached, 0 to encode" in run.stdout
    steps = {m.fingerprint for m in ArtifactStore(smoke[1]).manifests() if m.request.step != "feature_shard"}
    assert steps <= {m.fingerprint for m in ArtifactStore(store).manifests()}


@pytest.mark.parametrize("part", ["0/2", "3/2", "1", "a/b", "1/0"])
def test_a_part_that_does_not_exist_is_refused(commands, tmp_path, part):
    done = commands.llava_jp(tmp_path, "encode", "smoke", "--part", part)
    assert done.returncode == 1
    assert done.stderr == f"error: --part '{part}' is not of the form 2/4, from 1/4 to 4/4\n"


def test_data_that_is_not_prepared_is_said(commands, tmp_path):
    done = commands.llava_jp(tmp_path, "encode", "smoke")
    assert done.returncode == 1
    assert "the dataset pretrain of smoke is not in" in done.stderr
    assert "`llava-jp run smoke` on one machine prepares it" in done.stderr
