"""A connection to Ray: a cluster by its address, the one that this process already uses, or one started here."""

from __future__ import annotations

import logging
import os
import re
import signal
import socket
import sys
import threading
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Literal

from bansweep.cluster.ray_environment import ray_environment, without_driver_directories
from bansweep.cluster.ray_failure import StartTimeoutError, connection_failure, start_failure
from bansweep.cluster.ray_watch import end_ray, is_unclosed
from bansweep.errors import ClusterError
from bansweep.formatting import duration_text

Owner = Literal["command", "cluster", "caller"]
"""Who owns a connection: this command, with a cluster that ends with it; this command, to a cluster that keeps running;
or the caller, which opened it earlier and keeps using it."""

_LOCAL = "local"
_CONNECT_S = 5.0
_ANSWER_S = 30.0
_STARTS = 2


@contextmanager
def ray_session(address: str | None = None) -> Iterator[Owner]:
    """Connect to the cluster at `address` (or `RAY_ADDRESS`), or start one here; gives the connection's owner.

    If this process is already connected to Ray, that connection is used, and left open. Otherwise the connection, and a
    cluster started here, end on leaving, also after a failure.
    Side effects: environment variables of this process, until leaving. Raises ClusterError.
    """
    if address == _LOCAL:
        address = None
    if _is_connected():
        _check_connection(address)
        with ray_environment(starts_cluster=False):
            yield "caller"
        return
    address = address or os.environ.get("RAY_ADDRESS")
    if address == _LOCAL:
        address = None
    if address:
        _check_address(address)
    with ray_environment(starts_cluster=not address):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import ray  # noqa: F401  # here, where its warnings are ignored
        logger = logging.getLogger("ray")
        level = logger.level
        try:
            with _sigterm_kept():
                _connect(address)
            # Ray reports a lost process at length. bansweep reports it in one line.
            logger.setLevel(logging.CRITICAL)
            yield "cluster" if address else "command"
        finally:
            end_ray()
            logger.setLevel(level)


def _is_connected() -> bool:
    """Whether this process is already connected to Ray. One that has not imported Ray is not."""
    ray = sys.modules.get("ray")
    return ray is not None and bool(ray.is_initialized())


def _check_connection(address: str | None) -> None:
    """Raises ClusterError if this process is connected to another cluster than that at `address`, or by a client."""
    import ray

    if ray.util.client.ray.is_connected():
        raise ClusterError(
            "this process is connected to Ray by Ray Client already, through which a sweep cannot run",
            remedy="call ray.shutdown() first, or use bansweep submit",
        )
    from ray._private import worker

    if is_unclosed():
        raise ClusterError(
            "an earlier connection to Ray, which had died, cannot be closed in this process",
            remedy="start a new process (in a notebook: restart the kernel) and run the same again",
        )
    node: Any = worker._global_node
    there = node.gcs_address
    if address is not None and address not in ("auto", there) and _cluster_at(address) != node.cluster_id.hex():
        raise ClusterError(
            f"this process is connected to Ray at {there} already, and cannot connect to {address} as well",
            remedy="call ray.shutdown() first, or leave out the address to use that connection",
        )


def _cluster_at(address: str) -> str | None:
    """The id of the cluster at an address, of which a cluster may have several; None if none answers."""
    try:
        _check_address(address)
        return _check_answer(address)
    except ClusterError:
        return None


def _connect(address: str | None) -> None:
    """Let Ray connect, or start. A start that times out is retried once. Raises ClusterError."""
    import ray

    logging.getLogger("ray").setLevel(logging.ERROR)
    if address == "auto":
        _check_found()
    elif address and ":" in address:
        _check_answer(address)
    for start in range(1, _STARTS + 1):
        try:
            ray.init(
                address=address or "local",
                include_dashboard=None if address else False,
                log_to_driver=False,
                logging_level=logging.ERROR,
                configure_logging=True,
                job_config=without_driver_directories(),
            )
            break
        except BaseException as error:
            were_alive = _end_half_started(error)
            ray.shutdown()
            if not isinstance(error, Exception):
                raise
            if address:
                raise connection_failure(address, error) from error
            failure = start_failure(error, were_alive=were_alive)
            if start == _STARTS or not isinstance(failure, StartTimeoutError):
                raise failure from error


@contextmanager
def _sigterm_kept() -> Iterator[None]:
    """Keep the handler of SIGTERM: Ray's would end the process before it can report anything.

    Ray replaces it in the main thread only; Python allows it in no other.
    """
    handler = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if handler is not None and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, handler)


def _end_half_started(error: BaseException) -> bool:
    """End the processes of a node whose start failed; returns whether all were alive.

    Ray keeps no other reference to such a node than the traceback's.
    """
    from ray._private.node import Node

    nodes: dict[int, Any] = {}
    for frame, _ in traceback.walk_tb(error.__traceback__):
        node = frame.f_locals.get("self")
        if isinstance(node, Node):
            nodes[id(node)] = node
    processes = [info.process for node in nodes.values() for infos in node.all_processes.values() for info in infos]
    were_alive = all(process.poll() is None for process in processes)
    for node in nodes.values():
        with suppress(Exception):  # of processes that were not started
            node.kill_all_processes(check_alive=False, allow_graceful=False)
    return were_alive


def _check_address(address: str) -> None:
    """Refuse an address that no sweep can use, or where nothing listens: Ray would try for a quarter of an hour.

    Raises ClusterError.
    """
    if "://" in address:
        is_client = address.startswith("ray://")
        raise ClusterError(
            f"{address}: {'a sweep cannot run through Ray Client' if is_client else 'a job server is no Ray cluster'}",
            remedy="use bansweep submit with the address of the cluster's dashboard, http://HOST:8265, or run it "
            "on one of its nodes with --address auto",
        )
    _check_listens(address)


def _check_found() -> None:
    """Connect to the cluster that Ray finds on this machine: it may have died. Raises ClusterError."""
    from ray._private import services

    try:
        found = services.canonicalize_bootstrap_address("auto")
    except (ConnectionError, OSError, ValueError, RuntimeError) as error:
        raise connection_failure("auto", error) from None
    if found:
        _check_listens(found)


def _check_listens(address: str) -> None:
    """Raises ClusterError if nothing listens at HOST:PORT."""
    match = re.fullmatch(r"\[?([^/\]]+?)\]?:(\d{1,5})", address)
    if match is None:
        return  # "auto" and the like
    try:
        socket.create_connection((match[1], int(match[2])), timeout=_CONNECT_S).close()
    except (OSError, OverflowError) as error:
        raise connection_failure(address, error) from None


def _check_answer(address: str) -> str:
    """Ask the cluster's head for its id. Unlike `ray.init`, this reports a missing token. Raises ClusterError."""
    from ray._raylet import GcsClient  # type: ignore[attr-defined]  # a native module

    answers: list[str | Exception] = []

    def ask() -> None:
        try:
            answers.append(str(GcsClient(address=address).cluster_id.hex()))
        except Exception as error:
            answers.append(error)

    # Ray's native code waits long for an answer, and ignores Ctrl-C meanwhile.
    asking = threading.Thread(target=ask, name="bansweep-ask-ray", daemon=True)
    asking.start()
    asking.join(_ANSWER_S)
    if not answers:
        raise connection_failure(
            address, TimeoutError(f"what listens there does not answer as Ray in {duration_text(_ANSWER_S)}")
        )
    if isinstance(answers[0], Exception):
        raise connection_failure(address, answers[0]) from answers[0]
    return answers[0]
