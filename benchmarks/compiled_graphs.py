"""Into how many graphs torch.compile turns the training of image networks, and where graphs break.

    python benchmarks/compiled_graphs.py [--networks wrn-28-1 densenet-40-12] [--workers 1 2] [--json]

A forward and a backward pass in training mode on two random images a worker, of CIFAR's shape. Several workers are
processes on this machine that share batch normalisation. Dynamo traces as for training, but its graphs are run as they
are, without Inductor: seconds for small networks, minutes for deep ones. Each worker's figures are its own; they have
to agree.

Exits with 1 where a network takes more than one graph, or a graph breaks.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
from dataclasses import asdict, dataclass
from functools import partial
from itertools import product
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing
from random_images import CPU, image_network

from bansweep.networks.build import build_network
from bansweep.training.batch_norm import with_global_batch_norm
from bansweep.training.image_run import training_forward
from bansweep.training.workers import ALONE, Workers

NETWORKS = ["wrn-28-1", "wrn-28-10", "densenet-40-12", "densenet-90-60"]
IMAGES, SIZE, CLASSES = 2, 32, 10


@dataclass(frozen=True)
class Graphs:
    """What one worker's compilation gave; `reasons` of breaks are dynamo's own words."""

    network: str
    workers: int
    graphs: int
    operations: int
    breaks: int
    reasons: tuple[str, ...]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", default=NETWORKS, help="names of image networks")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    arguments = parser.parse_args()
    for name in arguments.networks:
        image_network(name)
    results = []
    for name, workers in product(arguments.networks, arguments.workers):
        of_workers = in_processes(name, workers)
        result = max(of_workers, key=lambda graphs: (graphs.breaks, graphs.graphs))
        results.append(result)
        if not arguments.json:
            print(
                f"{result.network:<16} {result.workers} workers: {result.graphs} graphs, "
                f"{result.operations:,} operations, {result.breaks} breaks",
                *result.reasons,
                sep="\n  ",
                flush=True,
            )
    if arguments.json:
        print(json.dumps([asdict(result) for result in results], indent=2))
    if any(result.breaks or result.graphs != 1 for result in results):
        raise SystemExit(1)


def in_processes(name: str, size: int) -> list[Graphs]:
    """Each network in processes of its own: what dynamo has learnt from one does not act on the next."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    results = torch.multiprocessing.get_context("spawn").SimpleQueue()
    torch.multiprocessing.spawn(_in_process, (size, port, name, results), nprocs=size)
    return [results.get() for _ in range(size)]


def _in_process(rank: int, size: int, port: int, name: str, results: Any) -> None:
    torch.set_num_threads(1)
    if size == 1:
        results.put(compiled(name, ALONE))
        return
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    dist.init_process_group("gloo", rank=rank, world_size=size)
    results.put(compiled(name, Workers.of_process_group()))
    dist.barrier()
    dist.destroy_process_group()


def compiled(name: str, workers: Workers) -> Graphs:
    """Compile a training step's forward and backward pass."""
    from torch._dynamo.testing import CompileCounter
    from torch._dynamo.utils import counters

    counter = CompileCounter()
    torch.compile = partial(torch.compile, backend=counter)
    network = build_network(image_network(name), input_shape=(3, SIZE, SIZE), classes=CLASSES)
    network = with_global_batch_norm(network, workers, CPU, compiled=True).train()
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    forward = training_forward(network, workers, CPU, with_stages=False, compiled=True)
    images_BKHW = torch.randn(IMAGES, 3, SIZE, SIZE).contiguous(memory_format=torch.channels_last)
    forward(images_BKHW).logits_BC.sum().backward()
    reasons = {**counters["graph_break"], **counters["unimplemented"]}
    return Graphs(
        network=name,
        workers=workers.size,
        graphs=counter.frame_count,
        operations=counter.op_count,
        breaks=sum(reasons.values()),
        reasons=tuple(reason.partition("\n")[0] for reason in reasons),
    )


if __name__ == "__main__":
    main()
