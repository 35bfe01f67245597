"""Watch Ray's own processes while a sweep runs, and end the sweep when one that it needs has died.

Ray does not report this itself: without its raylet a driver waits forever, and without its GCS server Ray's C++ code
ends the driver's process after a minute, printing nothing on the terminal.
"""

from __future__ import annotations

import contextvars
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from bansweep.cluster.ray_failure import ray_failure
from bansweep.cluster.ray_processes import ChildProbe, HeadProbe, Probe, SocketProbe, kill_remaining
from bansweep.errors import BansweepError, ClusterError

_log = logging.getLogger(__name__)

_LOOK_INTERVAL_S = 0.5
# The driver may be inside a call to Ray that never returns, so it is abandoned after this duration.
_STOP_S = 2.0
# An interrupted driver may be publishing a generation to a slow object store.
_STOP_INTERRUPTED_S = 10.0
# The caller keeps its connection: Tune first ends its trials and returns their processors.
_STOP_CLEANLY_S = 60.0
# Ray can report an error shortly before the operating system reports the death behind it.
_CAUSE_S = 3.0
# A shorter loss of the network is no death of the head.
_SILENCE_S = 8.0
_SHUTDOWN_S = 20.0

_OWN_PROCESSES = {"raylet": "raylet", "gcs_server": "GCS server"}


class RayWatch:
    """The processes of Ray's that a sweep needs: the node on this machine, and the head of the cluster.

    `of_caller`: the connection was there before the sweep, and is there after it.
    """

    def __init__(self, probes: Sequence[Probe], *, of_caller: bool = False) -> None:
        self._probes = probes
        self.of_caller = of_caller

    def loss(self, patience_s: float = _SILENCE_S) -> ClusterError | None:
        """The error to raise if one of the processes is dead."""
        losses = (probe.loss(patience_s) for probe in self._probes)
        loss = next((loss for loss in losses if loss is not None), None)
        if loss is not None and self.of_caller:
            # bansweep does not close what it did not open, and a dead connection stays until it is closed.
            return ClusterError(loss.cause, remedy=f"call ray.shutdown(), then {loss.remedy}")
        return loss

    def cause_of(self, error: BaseException) -> BaseException:
        """The death that explains an error of Ray's, if there is one within a few seconds; otherwise the error."""
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
    """Watch the Ray that this process is connected to, by a connection of this `owner` (`session.Owner`).

    Side effect: after a death, the processes that remain of a node of this command's own are killed on leaving.
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
                # First: disconnecting ends the raylet, and with it what tells which processes are below it.
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
    """Call `work` in a thread of its own and return when it returns.

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
        # Ray would wait for the same once more when the interpreter ends.
        atexit.unregister(ray.shutdown)
        _unclosed.append(thread)


# Threads that try in vain to disconnect from a dead Ray.
_unclosed: list[threading.Thread] = []


def is_unclosed() -> bool:
    """Whether an earlier connection of bansweep's own is still being closed, or cannot be."""
    return any(thread.is_alive() for thread in _unclosed)
