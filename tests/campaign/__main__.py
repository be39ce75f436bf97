"""A bounded campaign of faults: kills, bad disks, servers that fail, damaged files, hostile input of every kind.

    make campaign                                     half an hour; the table goes to build/campaign.md
    make campaign OPTIONS="--minutes 5 --only images"
    make campaign OPTIONS="--case damage:17"          one case again, with all that it says

Every case follows from its kind and its number. It holds when the result has the bytes of an undisturbed run, or an
error names what is wrong; anything else has failed. ``docs/reliability.md`` says what is promised.
"""

import argparse
import logging
import shutil
import signal
import sys
import time
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from functools import cache
from itertools import count
from pathlib import Path
from tempfile import mkdtemp

from tests.benchmarks.machine import machine_line
from tests.campaign.cases import Case, Tally
from tests.campaign.damage import DamagedStore, smoke_store
from tests.campaign.disk import Disk
from tests.campaign.files import files
from tests.campaign.inputs import archives, images, records
from tests.campaign.kills import Kills
from tests.campaign.replies import Replies
from tests.campaign.runs import Runs
from tests.campaign.servers import Servers

SHARES = {
    "kills": 0.3, "disk": 0.15, "servers": 0.15, "damage": 0.1,
    "records": 0.1, "images": 0.06, "archives": 0.04, "replies": 0.06, "files": 0.04,
}  # fmt: skip
"""Of the time."""


class Campaign:
    """The cases by kind, and a folder for each while it lasts."""

    def __init__(self, work: Path, open_until_the_end: ExitStack) -> None:
        self._work = work
        self._open = open_until_the_end
        self.tallies: dict[str, Tally] = {}

    def run(self, kind: str, *, first: int, seconds: float, keep: bool = False) -> None:
        """Cases of a kind until its time is over; at least one."""
        case, tally = self._case(kind), self.tallies.setdefault(kind, Tally())
        end = time.monotonic() + seconds
        for number in count(first):
            folder = self._work / kind / str(number)
            tally.run(case, kind=kind, seed=number, folder=folder)
            if not keep:
                shutil.rmtree(folder, ignore_errors=True)
            if time.monotonic() >= end:
                return

    @cache  # noqa: B019  # there is one campaign
    def _case(self, kind: str) -> Case:
        match kind:
            case "kills":
                return Kills(self._runs()).case
            case "disk":
                return Disk(self._runs()).case
            case "servers":
                return Servers(self._runs()).case
            case "damage":
                store = shutil.copytree(smoke_store(self._work / "undisturbed"), self._work / "damaged" / "store")
                return DamagedStore(store).case
            case "replies":
                return self._open.enter_context(Replies.serving()).case
        return {"records": records, "images": images, "archives": archives, "files": files}[kind]

    @cache  # noqa: B019
    def _runs(self) -> Runs:
        """What starts commands; the undisturbed run comes first."""
        store = smoke_store(self._work / "undisturbed")
        return self._open.enter_context(Runs.beside(store, self._work / "runs"))


def table(tallies: Mapping[str, Tally], *, minutes: float) -> Iterator[str]:
    """The counts as Markdown, and how each failure is had again."""
    yield f"{machine_line()}; {minutes:.0f} minutes"
    yield ""
    yield "| kind | inputs | how they ended | failed |"
    yield "|---|---|---|---|"
    for kind, tally in tallies.items():
        ends = ", ".join(f"{number:,} {end}" for end, number in tally.ends.most_common())
        yield f"| {kind} | {tally.ends.total() + len(tally.failures):,} | {ends} | {len(tally.failures)} |"
    yield ""
    for kind, tally in tallies.items():
        alike = Counter(tally.failures.values())
        for seed, text in tally.failures.items():
            if number := alike.pop(text, 0):
                others = f" (and {number - 1} others)" if number > 1 else ""
                yield f'- `make campaign OPTIONS="--case {kind}:{seed}"`: {text}{others}'


def main() -> None:
    """Run it; the exit status is 1 when a case has failed."""
    parser = argparse.ArgumentParser(prog="make campaign")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--only", choices=SHARES, nargs="+", default=list(SHARES))
    parser.add_argument("--first", type=int, default=0, help="number of the first case of each kind")
    parser.add_argument("--case", help="kind:number, one case again; its folder is kept")
    parser.add_argument("--out", type=Path, default=Path("build/campaign.md"))
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")  # of libraries, about what is odd on purpose
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell lets what it starts in the background ignore
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)  # both, and so would all that is killed here
    started = time.monotonic()
    with ExitStack() as stack:
        work = Path(mkdtemp(prefix="campaign-"))
        if not options.case:
            stack.callback(shutil.rmtree, work, ignore_errors=True)
        campaign = Campaign(work, stack)
        if options.case:
            kind, _, number = options.case.partition(":")
            campaign.run(kind, first=int(number), seconds=0, keep=True)
            print(f"in {work}")
        else:
            shares = {kind: SHARES[kind] for kind in options.only}
            for kind, share in shares.items():
                seconds = 60 * options.minutes * share / sum(shares.values())
                campaign.run(kind, first=options.first, seconds=seconds)
                tally = campaign.tallies[kind]
                print(f"{kind}: {tally.ends.total()} inputs, {len(tally.failures)} failed", flush=True)
    text = "\n".join(table(campaign.tallies, minutes=(time.monotonic() - started) / 60))
    print(text)
    if not options.case:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(text + "\n", encoding="utf-8")
    sys.exit(any(tally.failures for tally in campaign.tallies.values()))


if __name__ == "__main__":
    main()
