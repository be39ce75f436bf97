"""What a campaign is made of: cases that follow from a seed, and what came of them."""

import random
import traceback
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

Case = Callable[[random.Random, Path], Mapping[str, int]]
"""One try in an empty folder. Returns how many inputs ended in which way; an input that ended badly is an error."""


class LostError(AssertionError):
    """Something was lost, changed in silence or let in; or an error named nothing."""


@dataclass
class Tally:
    """The tries of one kind."""

    ends: Counter[str] = field(default_factory=Counter)
    """How many inputs ended in which way."""
    failures: dict[int, str] = field(default_factory=dict)
    """What went wrong, by the seed."""

    def run(self, case: Case, *, kind: str, seed: int, folder: Path) -> None:
        """One case; whatever it raises is a failure."""
        folder.mkdir(parents=True)
        try:
            self.ends.update(case(random.Random(f"{kind}:{seed}"), folder))
        except LostError as error:
            self.failures[seed] = str(error)
        except Exception as error:
            place = traceback.extract_tb(error.__traceback__)[-1]
            self.failures[seed] = f"{type(error).__name__}: {error} ({Path(place.filename).name}:{place.lineno})"[:500]


def changed(content: bytes, chance: random.Random) -> bytes:
    """The content after one fault: a bit that flips, bytes that become others, an end that is cut off."""
    if not content:
        return b"\0"
    place = chance.randrange(len(content))
    match chance.choices(("flip", "overwrite", "cut"), (70, 15, 15))[0]:
        case "flip":
            return content[:place] + bytes([content[place] ^ 1 << chance.randrange(8)]) + content[place + 1 :]
        case "overwrite":
            other = chance.randbytes(chance.randint(1, 64))[: len(content) - place]
            return content[:place] + other + content[place + len(other) :]
    return content[:place]
