"""A folder of installed packages that has torch, Transformers, Pillow and what they need, and nothing else."""

import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

NAME = re.compile(r"[A-Za-z0-9._-]+")


def with_requirements(*names: str) -> dict[str, Path]:
    """The installed top-level files and folders of some distributions and of all they require, by name."""
    found: dict[str, Path] = {}
    waiting, seen = list(names), set()
    while waiting:
        name = waiting.pop().lower().replace("_", "-")
        if name in seen:
            continue
        seen.add(name)
        try:
            installed = distribution(name)
        except PackageNotFoundError:  # on another platform
            continue
        waiting += [NAME.match(one)[0] for one in installed.requires or () if "extra ==" not in one]
        for file in installed.files or ():
            top = file.parts[0]
            if top not in ("..", "__pycache__"):
                found[top] = Path(str(installed.locate_file(top)))
    return found


def small_site(folder: Path) -> Path:
    """The folder, made of links."""
    folder.mkdir()
    for name, path in with_requirements("torch", "transformers", "pillow").items():
        (folder / name).symlink_to(path)
    return folder


def run_alone(script: Path, *arguments: str, site: Path, home: Path) -> subprocess.CompletedProcess[str]:
    """A script in a Python that sees those packages alone: neither this project nor what else is installed."""
    code = f"import runpy, sys; sys.path.append({str(site)!r}); runpy.run_path(sys.argv[1], run_name='__main__')"
    code = f"import sys; sys.argv = sys.argv[1:]; {code.replace('sys.argv[1]', 'sys.argv[0]')}"
    return subprocess.run(
        [sys.executable, "-I", "-S", "-c", code, str(script), *arguments],
        cwd=home,
        env={"HF_HOME": str(home), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "PATH": ""},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
