"""Prefect's engine for a deployed run: ``python -E -P engine.py``, which the work pool's job variables name.

Prefect puts the folder that a run works in first on ``PYTHONPATH``, and again first on the path while it imports the
flow. People have data there, and a ``grp.py`` beside data is no code of ours: so the variable is read here and not by
Python, without that folder, and the flows are imported before Prefect looks for one.
"""

import os
import runpy
import sys
from importlib import import_module
from pathlib import Path


def folders_of_modules() -> list[str]:
    """What ``PYTHONPATH`` names, but for the working directory."""
    here = os.path.realpath(os.getcwd())
    named = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    return [folder for folder in named if folder and os.path.realpath(folder) != here]


def main() -> None:
    """Be ``python -m prefect.engine``, and nothing beside somebody's data is imported; nor by what this starts."""
    folders = folders_of_modules()
    os.environ.update(PYTHONPATH=os.pathsep.join(folders), PYTHONSAFEPATH="1")
    sys.path[:0] = folders
    sys.path.append(str(Path(__file__).resolve().parents[2]))
    import_module("flows.runtime.deployments").import_flows()
    sys.argv = ["prefect.engine"]
    runpy.run_module("prefect.engine", run_name="__main__")


if __name__ == "__main__":
    main()
