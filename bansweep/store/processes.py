"""Which process this is, and whether one that wrote down its identity has died."""

from __future__ import annotations

import os
import socket
import uuid
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ProcessIdentity:
    """A process among all that ever were.

    `host` names the machine, its boot and the namespace that process numbers count in (containers have their own);
    `started` is the process's start in clock ticks after boot, which tells it from a later one of the same number.
    None where the operating system does not say.
    """

    host: str
    pid: int
    started: int | None

    @classmethod
    def current(cls) -> ProcessIdentity:
        pid = os.getpid()
        state = _state_and_start(pid)
        return cls(host=_host(), pid=pid, started=state[1] if state else None)

    def is_valid(self) -> bool:
        """Whether the fields have the types and ranges of a process's; the class itself takes whatever JSON holds."""
        started = self.started is None or type(self.started) is int
        return type(self.host) is str and type(self.pid) is int and 0 < self.pid < 1 << 31 and started

    @property
    def hostname(self) -> str:
        return self.host.partition("/")[0]

    def is_known_dead(self) -> bool:
        """Whether the process has certainly ended: one of another host, or another container, is never known to."""
        if self.host != _host():
            return False
        if self.started is None or not Path("/proc/self/stat").exists():
            return not _answers(self.pid)
        state = _state_and_start(self.pid)
        # Zombies (Z) have ended, and wait only for their parents to hear of it.
        return state is None or state[0] in "ZX" or state[1] != self.started


def _host() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        namespace = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        boot, namespace = f"{uuid.getnode():x}", ""
    return f"{socket.gethostname()}/{boot}/{namespace}"


def _state_and_start(pid: int) -> tuple[str, int] | None:
    """Fields 3 and 22 of /proc/<pid>/stat (proc(5)); None where there is no such process, or no /proc."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = stat[stat.rindex(")") + 1 :].split()  # field 2, the command, may contain blanks and parentheses
    return fields[0], int(fields[19])


def _answers(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it is there, and another user's
        return True
    return True
