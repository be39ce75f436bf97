"""8-bit moments under DeepSpeed, whose ZeRO puts flat partitions in the place of the parameters."""

import json
import subprocess

import pytest

from tests.support.commands import REPOSITORY, clean_environment
from tests.support.fork_server import client

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def found(tmp_path_factory, fork_address):
    environment = {
        **clean_environment(tmp_path_factory.getbasetemp()),
        **{"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29517"},
        "PYTHONWARNINGS": "ignore",
        "TRANSFORMERS_VERBOSITY": "error",
    }
    command = [*client(fork_address), "tests.support.eight_bit_steps"]
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("@found ")]
    assert lines, done.stdout + done.stderr
    return json.loads(lines[0].removeprefix("@found "))


@pytest.mark.parametrize("zero_stage", ["1", "2", "3"])
def test_the_moments_of_embeddings_have_32_bits_and_all_others_8(found, zero_stage):
    sizes, moments = found[zero_stage]["sizes"], found[zero_stage]["moments"]
    embeddings = sizes["llm.model.embed_tokens.weight"]
    projector = sum(size for name, size in sizes.items() if name.startswith("projector."))
    others = sum(sizes.values()) - embeddings - projector
    small = projector if projector < 4096 else 0  # bitsandbytes keeps 32 bits below 4096 numbers
    assert moments["torch.float32"] == pytest.approx(2 * 4 * (embeddings + small), rel=0.01)
    assert moments["torch.uint8"] == pytest.approx(2 * (others + projector - small), rel=0.01)


def test_the_projector_has_its_own_learning_rate_and_the_first_group_that_of_the_stage(found):
    assert found["2"]["rates"] == [[2e-3, 32], [2e-3, 8], [1e-4, 8]]
