"""The machines of a training: DeepSpeed's host file."""

import re
import socket
from pathlib import Path
from typing import NamedTuple

from pipeline.core.errors import ConfigError
from pipeline.core.settings import Settings

LOOPBACK = ("localhost", "127.0.0.1", "::1")
"""Every machine's names for itself."""


class Host(NamedTuple):
    """One machine."""

    name: str
    num_slots: int
    """Processes on it, one per device."""

    @property
    def is_this_machine(self) -> bool:
        """Whether processes there are started without ssh."""
        own = socket.gethostname()
        return self.name in {*LOOPBACK, own, own.partition(".")[0], socket.getfqdn()}


def training_hosts(settings: Settings) -> tuple[Host, ...]:
    """The machines that train, with the number of processes on each.

    Raises:
        ConfigError: the host file cannot be read.
    """
    return read_host_file(settings.host_file) if settings.host_file else (Host("localhost", settings.num_processes),)


def num_processes_here(settings: Settings) -> int:
    """Training processes on this machine, one per device.

    Raises:
        ConfigError: the host file cannot be read.
    """
    return sum(host.num_slots for host in training_hosts(settings) if host.is_this_machine)


def read_host_file(path: Path) -> tuple[Host, ...]:
    """The machines in the order of the file, which is the order of the ranks.

    Raises:
        ConfigError: the file does not exist, or a line is not ``host slots=N``; all such lines are named. Or the others
            would look for the first machine in themselves.
    """
    try:
        lines = path.expanduser().read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise ConfigError(f"the host file {path} (LLAVA_JP_HOST_FILE) cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"the host file {path} (LLAVA_JP_HOST_FILE) is no text in UTF-8: {error}") from error
    hosts, problems = [], []
    for number, line in enumerate(lines, start=1):
        text = line.partition("#")[0].strip()
        if not text:
            continue
        found = re.fullmatch(r"([\w.:@%-]*[\w.:])\s+slots=(\d+)", text)
        if found and int(found[2]) > 0 and not found[1].startswith("-"):
            hosts.append(Host(found[1], int(found[2])))
        else:
            problems.append(f"  line {number}: {text!r}")
    names = [host.name for host in hosts]
    problems += [f"  {name} is named {names.count(name)} times" for name in sorted(set(names)) if names.count(name) > 1]
    if problems:
        raise ConfigError("\n".join([f"{path}: every line must be like `node1 slots=8`, and no other is:", *problems]))
    if not hosts:
        raise ConfigError(f"{path}: names no machine; write lines like `node1 slots=8`")
    far = [name for name in names if name not in LOOPBACK and not name.startswith("127.")]
    if names[0] in LOOPBACK and far:
        raise ConfigError(
            f"{path}: for {far[0]}, {names[0]} is {far[0]} itself; name this machine as the others reach it"
        )
    return tuple(hosts)
