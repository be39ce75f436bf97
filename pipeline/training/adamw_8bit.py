"""AdamW with moments of 8 bits, except in groups that ask for 32. Needs bitsandbytes, so it is imported late."""

from typing import Any

from bitsandbytes.optim import AdamW8bit


class EightBitAdamW(AdamW8bit):  # type: ignore[misc]  # bitsandbytes has no types
    """``moment_bits`` of a parameter group says how many bits its moments have: 8 or 32.

    bitsandbytes' own way is an override for each parameter object. DeepSpeed's ZeRO puts flat partitions in the place
    of the parameters, and an override would be lost with them; the groups stay.
    """

    def get_config(self, gindex: int, pindex: int, group: dict[str, Any]) -> dict[str, Any]:
        """bitsandbytes asks this for every update."""
        config: dict[str, Any] = super().get_config(gindex, pindex, group)
        return {**config, "optim_bits": group["moment_bits"]}
