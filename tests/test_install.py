import os
import re
import subprocess
import tomllib

import pytest

from tests.support.commands import REPOSITORY

LOCK = REPOSITORY / "constraints.txt"
PYTHON = """#!/bin/sh
case "$*" in
    "-c "*) ;;
    "-m venv "*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
    *"config list") printf '%s\\n' "$PIP_SETTINGS" ;;
    *"constraints.txt uv") exit 1 ;;
    *) echo "pip $*" >> "$CALLS" ;;
esac
"""
UV = """#!/bin/sh
echo "uv $* [${UV_DEFAULT_INDEX-} ${UV_FIND_LINKS-}]" >> "$CALLS"
exit ${UV_STATUS:-0}
"""


@pytest.fixture
def install(tmp_path):
    """Runs ``.ci/install.sh`` with a Python, and a uv where it is asked for, that write down their arguments."""
    (tmp_path / "bin").mkdir()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("UV_", "PIP_", "SSL_"))},
        "PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin",
        "PYTHON": str(tmp_path / "bin" / "python"),
        "CALLS": str(tmp_path / "calls"),
    }

    def installed(*, uv: bool, settings: str = "", **more: str) -> list[str]:
        for name, text in {"python": PYTHON, **({"uv": UV} if uv else {})}.items():
            (tmp_path / "bin" / name).write_text(text, encoding="utf-8")
            (tmp_path / "bin" / name).chmod(0o755)
        command = [str(REPOSITORY / ".ci" / "install.sh"), str(tmp_path / "venv"), "package"]
        subprocess.run(command, env={**environment, "PIP_SETTINGS": settings, **more}, cwd=REPOSITORY, check=True)
        return (tmp_path / "calls").read_text(encoding="utf-8").splitlines()

    return installed


def test_uv_installs_where_it_is_with_the_indexes_that_pip_knows(install):
    settings = "global.find-links='/wheels /more'\nglobal.index-url='https://mirror/simple'"
    (call,) = install(uv=True, settings=settings)
    assert call.startswith("uv pip install --quiet --python ")
    assert call.endswith("--constraint constraints.txt package [https://mirror/simple /wheels,/more]")


def test_an_index_that_uv_knows_is_kept(install):
    settings = "global.index-url='https://mirror/simple'"
    (call,) = install(uv=True, settings=settings, UV_DEFAULT_INDEX="https://own/simple")
    assert call.endswith("[https://own/simple ]")


def test_pip_installs_where_uv_cannot(install):
    uv, pip = install(uv=True, UV_STATUS="1")
    assert uv.startswith("uv pip install")
    assert pip.startswith("pip -m pip --quiet")
    assert pip.endswith("install --constraint constraints.txt package")


def test_pip_installs_where_uv_is_not_to_be_had(install):
    (call,) = install(uv=False)
    assert call.endswith("install --constraint constraints.txt package")


def test_one_lock_serves_machines_with_and_without_gpus_and_names_no_place():
    text = LOCK.read_text(encoding="utf-8")
    assert "torch==2.13.0\n" in text  # not 2.13.0+cpu
    assert "nvidia-cublas==" in text
    assert "://" not in text
    assert " @ " not in text


def test_the_lock_has_everything_that_the_project_asks_for():
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = {*project["dependencies"], *(one for extra in project["optional-dependencies"].values() for one in extra)}
    names = {re.match(r"[\w.-]+", requirement)[0].lower().replace("_", "-") for requirement in asked}
    locked = {line.partition("==")[0] for line in LOCK.read_text(encoding="utf-8").splitlines()}
    assert names <= locked, "`make constraints` writes what is missing"
