"""Stores the fingerprints of the published experiments: ``python -m tests.config_tests.freeze_experiments``.

Run it only when a published experiment is meant to be made anew, and say why in the commit.
"""

import json
from pathlib import Path

from pipeline.config.experiment import load_experiment
from pipeline.core.settings import load_settings
from pipeline.planning.plan import plan_experiment

FROZEN = Path(__file__).with_name("frozen_experiments.json")
PUBLISHED = ("demo-v1.0", "demo-v1.1")


def fingerprints(name: str) -> dict[str, str]:
    """Fingerprint of every step of an experiment by its role."""
    return {str(step.role): step.fingerprint for step in plan_experiment(load_experiment(name), load_settings())}


def main() -> None:
    """Write ``frozen_experiments.json``."""
    text = json.dumps({name: fingerprints(name) for name in PUBLISHED}, indent=2)
    FROZEN.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
