"""The seed of one item's draws: the same on every machine, whatever the item is answered together with."""

import hashlib


def item_seed(seed: int, item_id: str) -> int:
    """The seed of one item's draws, below 2**63."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{item_id}".encode()).digest()[:8], "big") >> 1
