import threading

import pytest
import torch

from pipeline.features.shard_writers import Encoded, ShardWriters
from pipeline.features.shards import EncodedImages


def batch(name: str) -> Encoded:
    none = torch.zeros(1, 1)
    images = EncodedImages((name,), ((1, 1),), torch.zeros(1, 1, 1, dtype=torch.uint8), none, none, none[0] > 0)
    return Encoded([images], lambda: 0.0)


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("shard")]


def test_each_shard_gets_its_batches_in_order():
    written = {}

    def write(shard, batches):
        written[shard] = [one.keys[0] for one in batches]

    with ShardWriters(write) as writers:
        for shard, name in ((0, "a"), (0, "b"), (1, "c"), (2, "d"), (2, "e")):
            writers.put(shard, batch(name))
    assert written == {0: ["a", "b"], 1: ["c"], 2: ["d", "e"]}
    assert threads() == []


def test_a_shard_that_somebody_else_has_made_is_passed_over():
    with ShardWriters(lambda shard, batches: None) as writers:
        for name in map(str, range(20)):
            writers.put(0, batch(name))
    assert threads() == []


@pytest.mark.parametrize("failing", [0, 1])
def test_a_writer_that_fails_at_the_very_end_stops_everything(failing):
    def write(shard, batches):
        list(batches)
        if shard == failing:
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left on device"), ShardWriters(write) as writers:
        writers.put(0, batch("a"))
        writers.put(1, batch("b"))
    assert threads() == []


def test_a_writer_that_fails_while_others_wait_stops_the_encoding():
    def write(shard, batches):
        next(batches)
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"), ShardWriters(write) as writers:
        for name in map(str, range(1000)):
            writers.put(0, batch(name))
    assert threads() == []


def test_an_error_of_the_encoding_ends_the_writers():
    seen = []

    def write(shard, batches):
        try:
            list(batches)
        except RuntimeError as error:
            seen.append(str(error))
            raise

    with pytest.raises(RuntimeError, match="out of memory"), ShardWriters(write) as writers:
        writers.put(0, batch("a"))
        raise RuntimeError("out of memory")
    assert seen == ["out of memory"]
    assert threads() == []
