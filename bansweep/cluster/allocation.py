"""What each generation takes of the cluster, and how many fit at a time. Pure arithmetic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bansweep.errors import ResourcesError
from bansweep.spec.resources import Resources

_GROWING = "; of one that adds nodes by itself, BANSWEEP_CLUSTER_NODES says which (docs/clusters.md)"


@dataclass(frozen=True)
class Allocation:
    """`workers` 0: in the trial's own process; N: a Ray Train group. CPUs and GPUs are per worker (or that process).

    `at_most` generations at a time, where there is a limit besides the cluster's.
    """

    workers: int
    cpus: int
    gpus: float
    compiled: bool
    at_most: int | None = None

    @property
    def processes(self) -> int:
        return max(1, self.workers)

    @property
    def devices(self) -> float:
        """What a budget counts: GPUs, in fractions where they are shared; on CPUs processes."""
        return self.processes * (self.gpus or 1.0)

    @property
    def per_process(self) -> dict[str, float]:
        return {"CPU": self.cpus, "GPU": self.gpus} if self.gpus else {"CPU": self.cpus}


def allocate(wanted: Resources, nodes: Sequence[Mapping[str, float]]) -> Allocation:
    """The allocation for a cluster of nodes with these resources, see `nodes.cluster_nodes`.

    A process has its CPUs and GPUs on one node, and a fraction of a GPU on one GPU. Raises ResourcesError when not even
    one generation would ever fit.
    """
    cpus, gpus = (sum(node.get(kind, 0.0) for node in nodes) for kind in ("CPU", "GPU"))
    workers = wanted.workers if wanted.workers is not None else (1 if gpus else 0)
    gpus_each = wanted.gpus_per_worker if wanted.gpus_per_worker is not None else (1.0 if gpus else 0.0)
    processes = max(1, workers)
    if processes * wanted.cpus_per_worker > cpus:
        raise ResourcesError(
            f"a generation needs {processes * wanted.cpus_per_worker} CPUs, the cluster has {cpus:g}",
            remedy=f"lower resources.workers or resources.cpus_per_worker, or run on a larger cluster{_GROWING}",
        )
    if processes * gpus_each > gpus:
        raise ResourcesError(
            f"a generation needs {processes * gpus_each:g} GPUs, the cluster has {gpus:g}",
            remedy=f"lower resources.workers or resources.gpus_per_worker (0 trains on CPUs){_GROWING}",
        )
    room = sum(_room(node, wanted.cpus_per_worker, gpus_each) for node in nodes)
    if room < processes:
        each = f"{wanted.cpus_per_worker} CPUs" + (f" and {gpus_each:g} GPUs" if gpus_each else "")
        raise ResourcesError(
            f"a generation needs {processes} times {each}, each on one node; {room} fit on the cluster's {len(nodes)}",
            remedy="lower resources.cpus_per_worker or resources.gpus_per_worker, or run on larger nodes",
        )
    return Allocation(
        workers=workers,
        cpus=wanted.cpus_per_worker,
        gpus=gpus_each,
        compiled=wanted.compile if wanted.compile is not None else gpus_each > 0 and not wanted.recompute,
        at_most=wanted.concurrency,
    )


def concurrency(allocation: Allocation, nodes: Sequence[Mapping[str, float]]) -> int:
    """How many generations these nodes hold at a time."""
    fitting = sum(_room(node, allocation.cpus, allocation.gpus) for node in nodes) // allocation.processes
    return fitting if allocation.at_most is None else min(fitting, allocation.at_most)


def _room(node: Mapping[str, float], cpus: int, gpus: float) -> int:
    """How many processes a node holds."""
    room = int(node.get("CPU", 0.0) // cpus)
    if not gpus:
        return room
    there = int(node.get("GPU", 0.0))
    return min(room, there // int(gpus) if gpus >= 1 else there * int(1 / gpus + 1e-9))
