"""Ray's own processes: whether they are alive, and which of a dead node's remain."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from bansweep.cluster.ray_failure import RESUME
from bansweep.errors import ClusterError

_KNOCK_INTERVAL_S = 2.0
_KNOCK_TIMEOUT_S = 3.0
_KILLED_S = 5.0


class Probe(Protocol):
    """Checks one process of Ray's."""

    def loss(self, patience_s: float) -> ClusterError | None:
        """The error to raise if the process is dead. A probe that can only ask over a network waits `patience_s`
        seconds for an answer before it reports a death."""


class ChildProbe:
    """A Ray process that this process started."""

    def __init__(self, name: str, process: subprocess.Popen[bytes]) -> None:
        self._name = name
        self._process = process

    def loss(self, patience_s: float) -> ClusterError | None:  # noqa: ARG002
        status = self._process.poll()
        if status is None:
            return None
        end = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
        return _node_died(f"its {self._name} (process {self._process.pid}) {end}")


class SocketProbe:
    """A raylet on this machine that another process started, by a connection that ends when the raylet does."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._connection = self._connected()

    def loss(self, patience_s: float) -> ClusterError | None:  # noqa: ARG002
        if self._connection is not None and _is_open(self._connection):
            return None
        self.close()
        # The raylet may have closed only this connection.
        self._connection = self._connected()
        return None if self._connection is not None else _node_died(f"its raylet no longer answers at {self._path}")

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()

    def _connected(self) -> socket.socket | None:
        connection = socket.socket(socket.AF_UNIX)
        connection.setblocking(False)
        try:
            connection.connect(self._path)
        except BlockingIOError:
            pass  # a stopped raylet with a full queue is not dead
        except OSError:
            connection.close()
            return None
        return connection


class HeadProbe:
    """The GCS server of a cluster that this process did not start, by TCP connections to it."""

    def __init__(self, address: str, clock: Callable[[], float] = time.monotonic) -> None:
        host, _, port = address.rpartition(":")
        self._address = address
        self._target = host.strip("[]"), int(port)
        self._clock = clock
        self._answered_at = self._asked_at = clock()

    def loss(self, patience_s: float) -> ClusterError | None:
        if patience_s and self._clock() - self._asked_at < _KNOCK_INTERVAL_S:
            return None
        self._asked_at = self._clock()
        try:
            socket.create_connection(self._target, timeout=_KNOCK_TIMEOUT_S).close()
        except OSError as error:
            if self._clock() - self._answered_at < patience_s:
                return None
            return ClusterError(
                f"the head of the Ray cluster at {self._address} died or cannot be reached: {error.strerror or error}",
                remedy=f"start the cluster again, then {RESUME}",
            )
        self._answered_at = self._clock()
        return None


def kill_remaining(node_processes: Iterable[subprocess.Popen[bytes]], raylet_pid: int) -> None:
    """Kill what is left of a node that this process started, with the workers, agents and their children.

    While the raylet lives, they are found below it. Ray also names the raylet in the environment of each of them: that
    finds them after its death, when they have another parent, unless they have written their title over it. Without
    /proc only the node's own processes are killed.
    """
    below = _below(raylet_pid)
    for process in node_processes:
        process.kill()
        with suppress(subprocess.TimeoutExpired):
            process.wait(_KILLED_S)
    for pid in below:
        with suppress(OSError):  # it has just ended
            os.kill(pid, signal.SIGKILL)
    mark = f"RAY_RAYLET_PID={raylet_pid}".encode()
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has just ended, or belongs to another user
            # Containers number their processes independently.
            if (folder / "ns/pid").readlink() != Path("/proc/self/ns/pid").readlink():
                continue
            if mark in (folder / "environ").read_bytes().split(b"\0") and folder.name != str(os.getpid()):
                os.kill(int(folder.name), signal.SIGKILL)


def _below(pid: int) -> set[int]:
    """The processes that a process has started, directly or not."""
    parents: dict[int, int] = {}
    for file in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, ValueError):  # it has just ended
            parents[int(file.parent.name)] = int(file.read_text().rpartition(")")[2].split()[1])
    found = {pid}
    while more := {one for one, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {pid}


def _node_died(how: str) -> ClusterError:
    return ClusterError(f"Ray's node on this machine died: {how}", remedy=RESUME)


def _is_open(connection: socket.socket) -> bool:
    try:
        return connection.recv(1, socket.MSG_PEEK) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False
