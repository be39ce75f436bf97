"""The campaign of ``make campaign``: one case of each kind that takes no run of an experiment."""

import errno
import os
import random

import pytest

from pipeline.tracking.mlflow.client import set_up_mlflow
from tests.campaign.__main__ import table
from tests.campaign.cases import LostError, Tally, changed
from tests.campaign.files import files
from tests.campaign.inputs import archives, records
from tests.campaign.replies import Replies
from tests.campaign.runs import explained
from tests.campaign.servers import deliver
from tests.support.faulty_disk import FaultyDisk


def test_hostile_records_are_all_counted(tmp_path):
    tally = Tally()
    tally.run(records, kind="records", seed=1, folder=tmp_path / "1")
    assert (tally.ends.total(), tally.failures) == (1000, {})


def test_hostile_archives_write_nowhere_else(tmp_path):
    tally = Tally()
    for seed in range(20):
        tally.run(archives, kind="archives", seed=seed, folder=tmp_path / str(seed))
    assert (tally.ends.total(), tally.failures) == (20, {})
    assert set(tally.ends) == {"unpacked", "refused by name"}


@pytest.mark.parametrize("seed", [3, 4])
def test_hostile_replies_are_kept_or_refused(tmp_path, seed):
    tally = Tally()
    with Replies.serving() as replies:
        tally.run(replies.case, kind="replies", seed=seed, folder=tmp_path / "1")
    assert (tally.ends["parsed"], tally.failures) == (500, {})


def test_hostile_files_are_read_or_refused_by_name(tmp_path):
    tally = Tally()
    tally.run(files, kind="files", seed=1, folder=tmp_path / "1")
    assert (tally.ends.total(), tally.failures) == (50, {})


def test_figures_reach_a_server_with_faults_once_and_in_order(tmp_path):
    set_up_mlflow()
    assert deliver(random.Random("servers:6"), tmp_path) == "delivered"


def test_a_disk_fails_from_a_call_on_and_below_a_folder_alone(tmp_path):
    disk = FaultyDisk({"errno": errno.ENOSPC, "after": 1, "times": 1, "below": str(tmp_path), "reads": False})
    disk("open", (str(tmp_path / "a"), "r", os.O_RDONLY))
    disk("open", ("/elsewhere", "w", os.O_WRONLY))
    disk("os.mkdir", (str(tmp_path / "a"), 0o777, -1))
    with pytest.raises(OSError, match="No space left on device"):
        disk("open", (tmp_path / "a", "w", os.O_WRONLY))
    disk("os.rename", (str(tmp_path / "a"), str(tmp_path / "b"), -1, -1))


@pytest.mark.parametrize(
    ("code", "text", "end"),
    [
        (0, "done", "went on"),
        (1, "error: the disk is full", "said what is wrong"),
        (75, "stopped;", "said what is wrong"),
    ],
)
def test_a_disturbed_command_goes_on_or_says_what_is_wrong(code, text, end):
    assert explained(code, text, after="a fault") == end


@pytest.mark.parametrize(("code", "text"), [(1, "Traceback (most recent call last):"), (1, ""), (-9, "error: a")])
def test_a_traceback_silence_and_a_crash_are_failures(code, text):
    with pytest.raises(LostError):
        explained(code, text, after="a fault")


def test_a_case_is_the_same_again_for_the_same_seed():
    first, again = (changed(bytes(100), random.Random("damage:3")) for _ in range(2))
    assert first == again != bytes(100)


def test_what_fails_is_told_with_the_command_that_repeats_it(tmp_path):
    def loses(chance, folder):
        raise LostError("an answer is gone")

    def breaks(chance, folder):
        return {}["nothing"]

    tally = Tally()
    tally.run(loses, kind="damage", seed=17, folder=tmp_path / "17")
    tally.run(breaks, kind="damage", seed=18, folder=tmp_path / "18")
    text = "\n".join(table({"damage": tally}, minutes=1))
    assert "| damage | 2 |  | 2 |" in text
    assert '- `make campaign OPTIONS="--case damage:17"`: an answer is gone' in text
    assert """--case damage:18"`: KeyError: 'nothing' (test_campaign.py:""" in text
