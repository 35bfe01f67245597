"""Work done by several processes that share a group of torch.distributed, as workers share a generation."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing
from forked import CONTEXT

from bansweep.training.workers import Workers


def in_group(size: int, work: Callable[..., Any], *arguments: Any) -> list[Any]:
    """What each of `size` processes returned from `work(workers, *arguments)`."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    results = CONTEXT.SimpleQueue()
    arguments_of_all = (size, port, dict(os.environ), results, work, arguments)
    torch.multiprocessing.start_processes(_in_process, arguments_of_all, nprocs=size, start_method="forkserver")
    return [value for _, value in sorted(results.get() for _ in range(size))]


def _in_process(
    rank: int,
    size: int,
    port: int,
    environment: dict[str, str],
    results: Any,
    work: Callable[..., Any],
    arguments: Any,
) -> None:
    torch.set_num_threads(1)
    # The server's is that of the first group.
    os.environ.clear()
    os.environ.update(environment, MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), GLOO_SOCKET_IFNAME="lo")
    dist.init_process_group("gloo", rank=rank, world_size=size)
    results.put((rank, work(Workers.of_process_group(), *arguments)))
    # Nobody leaves while another still talks to it.
    dist.barrier()
    dist.destroy_process_group()
    # Not by way of the interpreter's end: there, once in hundreds of processes, a thread of a native library is still
    # running, and the process aborts with its work done.
    os._exit(0)
