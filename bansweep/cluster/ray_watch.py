"""Watches Ray's own processes while a sweep runs, and ends the sweep when a required one dies.

Ray does not report this itself: without its raylet a driver waits forever, and without its GCS server Ray's C++ code
ends the driver's process after a minute, printing nothing on the terminal.
"""

from __future__ import annotations

import contextvars
import logging
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

from bansweep.cluster.ray_failure import RESUME, ray_failure
from bansweep.errors import BansweepError, ClusterError

_log = logging.getLogger(__name__)

_CONNECT_INTERVAL_S = 2.0
_CONNECT_TIMEOUT_S = 3.0
_KILLED_S = 5.0
_LOOK_INTERVAL_S = 0.5
# The driver may be inside a call to Ray that never returns, so it is abandoned after this duration.
_STOP_S = 2.0
# An interrupted driver may be publishing a generation to a slow object store.
_STOP_INTERRUPTED_S = 10.0
# The caller keeps its connection: Tune first ends its trials and returns their processors.
_STOP_CLEANLY_S = 60.0
# Ray can report an error shortly before the operating system reports the death behind it.
_CAUSE_S = 3.0
# A shorter loss of the network is not taken for the death of the head.
_SILENCE_S = 8.0
_SHUTDOWN_S = 20.0

_OWN_PROCESSES = {"raylet": "raylet", "gcs_server": "GCS server"}

# Threads that try in vain to disconnect from a dead Ray.
_unclosed: list[threading.Thread] = []


class RayWatch:
    """Watches the Ray processes that a sweep needs: the node on this machine, and the head of the cluster.

    `of_caller`: the caller opened the connection before the sweep, and keeps it.
    """

    def __init__(self, probes: Sequence[Probe], *, of_caller: bool = False) -> None:
        self._probes = probes
        self.of_caller = of_caller

    def loss(self, patience_s: float = _SILENCE_S) -> ClusterError | None:
        """The error to raise if one of the processes is dead."""
        losses = (probe.loss(patience_s) for probe in self._probes)
        loss = next((loss for loss in losses if loss is not None), None)
        if loss is not None and self.of_caller:
            # bansweep does not close a connection that it did not open; a dead one stays until it is closed.
            return ClusterError(loss.cause, remedy=f"call ray.shutdown(), then {loss.remedy}")
        return loss

    def cause_of(self, error: BaseException) -> BaseException:
        """The death of a process that explains an error of Ray's, if one is found within seconds; else the error."""
        if isinstance(error, BansweepError) and not isinstance(error, ClusterError):
            return error
        deadline = time.monotonic() + _CAUSE_S
        while (loss := self.loss(patience_s=0)) is None:
            if time.monotonic() > deadline:
                # Ray's C++ code raises SystemExit in a driver that has lost its connection.
                return ray_failure(error) if isinstance(error, SystemExit) else error
            time.sleep(_LOOK_INTERVAL_S)
        return loss


@contextmanager
def ray_watch(owner: str) -> Iterator[RayWatch]:
    """Watch the Ray that this process is connected to, by a connection of this `owner` (`ray_session.Owner`).

    Side effect: after a death, kills the remaining processes of a node that this command started, on leaving.
    """
    from ray._private import worker

    # Ray has no public interface to its node's processes and sockets.
    node: Any = worker._global_node
    processes = {kind: infos[0].process for kind, infos in node.all_processes.items()}
    if "gcs_server" in processes:
        probes = [ChildProbe(name, processes[kind]) for kind, name in _OWN_PROCESSES.items()]
        watch = RayWatch(probes, of_caller=owner == "caller")
        try:
            yield watch
        finally:
            if owner == "command" and watch.loss() is not None:
                # First: disconnecting ends the raylet, and its descendants can then no longer be found by it.
                kill_remaining(processes.values(), processes["raylet"].pid)
                end_ray()
        return
    raylet_probe = SocketProbe(node.raylet_socket_name)
    try:
        yield RayWatch([raylet_probe, HeadProbe(node.gcs_address)], of_caller=owner == "caller")
    finally:
        raylet_probe.close()


class StoppedError(BaseException):
    """Raised inside a watched call that must not continue.

    Not an `Exception`: after one, Tune would clean up with further calls to Ray, which ends anyway.
    """


class CleanStopError(Exception):
    """Raised inside a watched call that must not continue on a connection of the caller: Tune then ends its trials."""


def call_watched(work: Callable[[Callable[[], None]], None], watch: RayWatch) -> None:
    """Call `work` in a new thread and return when it returns.

    `work` is given a function that it must call often, which raises StoppedError or CleanStopError once `work` must
    stop. A call that is inside Ray's C++ code, where nothing can interrupt it, is abandoned after some seconds.
    Raises what `work` raises; ClusterError within seconds of the death of a process that `watch` watches.
    """
    ended, stopping = threading.Event(), threading.Event()
    stop: list[type[BaseException]] = [StoppedError]
    errors: list[BaseException] = []

    def check() -> None:
        if stopping.is_set():
            raise stop[0]

    def run() -> None:
        try:
            work(check)
        except BaseException as error:
            errors.append(error)
        finally:
            ended.set()

    context = contextvars.copy_context()
    thread = threading.Thread(target=context.run, args=(run,), name="bansweep-tune", daemon=True)
    try:
        thread.start()
        while not ended.wait(_LOOK_INTERVAL_S):
            if (loss := watch.loss()) is not None:
                # At once: disconnecting from a dead Ray and closing MLflow's runs takes some more seconds.
                _log.warning("%s; ending the sweep", loss.cause)
                raise loss
    except BaseException as error:
        died = isinstance(error, ClusterError)
        if watch.of_caller and not died:
            stop[0] = CleanStopError
        stopping.set()
        ended.wait(_STOP_S if died else _STOP_CLEANLY_S if watch.of_caller else _STOP_INTERRUPTED_S)
        raise
    for failure in errors:
        if (cause := watch.cause_of(failure)) is not failure:
            raise cause from failure
        raise failure


def end_ray() -> None:
    """Disconnect from Ray, and end a node that was started here. Returns within seconds even if Ray is dead."""
    import atexit

    import ray

    thread = threading.Thread(target=ray.shutdown, name="bansweep-ray-shutdown", daemon=True)
    thread.start()
    thread.join(_SHUTDOWN_S)
    if thread.is_alive():
        # Ray would repeat this when the interpreter ends.
        atexit.unregister(ray.shutdown)
        _unclosed.append(thread)


def is_unclosed() -> bool:
    """Whether an earlier connection of bansweep is still being closed, or cannot be."""
    return any(thread.is_alive() for thread in _unclosed)


class Probe(Protocol):
    """Checks one process of Ray's."""

    def loss(self, patience_s: float) -> ClusterError | None:
        """The error to raise if the process is dead. A probe that can only ask over a network waits `patience_s`
        seconds for an answer before it reports a death."""


class ChildProbe:
    """Checks a Ray process that this process started."""

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
    """Checks a raylet on this machine that another process started, by a connection that ends when the raylet does."""

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
    """Checks the GCS server of a cluster that this process did not start, by TCP connections to it."""

    def __init__(self, address: str, clock: Callable[[], float] = time.monotonic) -> None:
        host, _, port = address.rpartition(":")
        self._address = address
        self._target = host.strip("[]"), int(port)
        self._clock = clock
        self._answered_at = self._asked_at = clock()

    def loss(self, patience_s: float) -> ClusterError | None:
        if patience_s and self._clock() - self._asked_at < _CONNECT_INTERVAL_S:
            return None
        self._asked_at = self._clock()
        try:
            socket.create_connection(self._target, timeout=_CONNECT_TIMEOUT_S).close()
        except OSError as error:
            if self._clock() - self._answered_at < patience_s:
                return None
            return ClusterError(
                f"the head of the Ray cluster at {self._address} died or cannot be reached: {error.strerror or error}",
                remedy=f"start the cluster again, then {RESUME}",
            )
        self._answered_at = self._clock()
        return None


def _node_died(how: str) -> ClusterError:
    return ClusterError(f"Ray's node on this machine died: {how}", remedy=RESUME)


def _is_open(connection: socket.socket) -> bool:
    try:
        return connection.recv(1, socket.MSG_PEEK) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False


def kill_remaining(node_processes: Iterable[subprocess.Popen[bytes]], raylet_pid: int) -> None:
    """Kill the remaining processes of a node that this process started, with workers, agents and their children.

    While the raylet lives, they are its descendants. After its death they have another parent; they are then found by
    the raylet's id in their environment, unless they have written their title over it. Without /proc only
    `node_processes` are killed.
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
    """The descendants of a process."""
    parents: dict[int, int] = {}
    for file in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, ValueError):  # it has just ended
            parents[int(file.parent.name)] = int(file.read_text().rpartition(")")[2].split()[1])
    found = {pid}
    while more := {one for one, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {pid}
