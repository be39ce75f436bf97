"""The campaign of ``make campaign``: one case of each kind that takes no run of an experiment."""

import random

import pytest

from tests.campaign.__main__ import table
from tests.campaign.cases import LostError, Tally, changed
from tests.campaign.inputs import archives, records
from tests.campaign.replies import Replies


def test_hostile_records_are_all_counted(tmp_path):
    tally = Tally()
    tally.run(records, kind="records", seed=1, folder=tmp_path / "1")
    assert (tally.ends.total(), tally.failures) == (200, {})


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
    assert (tally.ends["parsed"], tally.failures) == (50, {})


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
