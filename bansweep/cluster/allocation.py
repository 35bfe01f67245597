"""What each generation takes of the cluster, and how many fit on its nodes at a time.

A cluster with an autoscaler begins with a head and adds nodes when work waits for them. Ray does not say which; the
environment variable BANSWEEP_CLUSTER_NODES does, as in the manifests in deploy/.

A Ray Train controller that dies, alone or with the trial that started it, leaves its workers' placement group behind,
and with it their CPUs: Ray's cleaner works through the dashboard, and finds no cluster if there are several. So workers
report their group, and the driver removes it before the next attempt.
"""

from __future__ import annotations

import os
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from bansweep.config.resources import Resources
from bansweep.errors import ResourcesError
from bansweep.formatting import setting_text

NODES_VARIABLE = "BANSWEEP_CLUSTER_NODES"

_GROUP = re.compile(r"(\d{1,5})\*([A-Za-z_]\w*:\d+(?:\.\d+)?(?:,[A-Za-z_]\w*:\d+(?:\.\d+)?)*)")
_KINDS = ("CPU", "GPU")

_GROWING = "; of one that adds nodes by itself, BANSWEEP_CLUSTER_NODES says which (docs/clusters.md)"

_LOOK_INTERVAL_S = 5.0

Node = dict[str, float]


@dataclass(frozen=True)
class Allocation:
    """`workers` 0: in the trial's process; N: a Ray Train group. CPUs and GPUs are per worker (or that process).

    `at_most`: how many generations run at a time, if the sweep limits it.
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
        """What a budget counts: GPUs, as fractions if they are shared; on CPUs processes."""
        return self.processes * (self.gpus or 1.0)

    @property
    def per_process(self) -> dict[str, float]:
        return {"CPU": self.cpus, "GPU": self.gpus} if self.gpus else {"CPU": self.cpus}


def allocate(wanted: Resources, nodes: Sequence[Mapping[str, float]]) -> Allocation:
    """The allocation for a cluster of nodes with these resources (`cluster_nodes`).

    A process has its CPUs and GPUs on one node, and a fraction of a GPU on one GPU. Raises ResourcesError if not even
    one generation fits.
    """
    cpus, gpus = (sum(node.get(kind, 0.0) for node in nodes) for kind in ("CPU", "GPU"))
    workers = wanted.workers if wanted.workers is not None else (1 if gpus else 0)
    gpus_each = wanted.gpus_per_worker if wanted.gpus_per_worker is not None else (1.0 if gpus else 0.0)
    processes = max(1, workers)
    if processes * wanted.cpus_per_worker > cpus:
        raise ResourcesError(
            f"a generation needs {processes * wanted.cpus_per_worker} CPUs, the cluster has {setting_text(cpus)}",
            remedy=f"lower resources.workers or resources.cpus_per_worker, or run on a larger cluster{_GROWING}",
        )
    if processes * gpus_each > gpus:
        raise ResourcesError(
            f"a generation needs {setting_text(processes * gpus_each)} GPUs, the cluster has {setting_text(gpus)}",
            remedy=f"lower resources.workers or resources.gpus_per_worker (0 trains on CPUs){_GROWING}",
        )
    slots = sum(_processes_on(node, wanted.cpus_per_worker, gpus_each) for node in nodes)
    if slots < processes:
        each = f"{wanted.cpus_per_worker} CPUs" + (f" and {setting_text(gpus_each)} GPUs" if gpus_each else "")
        raise ResourcesError(
            f"a generation needs {processes} times {each}, each on one node; {slots} fit on the cluster's {len(nodes)}",
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
    slots = sum(_processes_on(node, allocation.cpus, allocation.gpus) for node in nodes) // allocation.processes
    return slots if allocation.at_most is None else min(slots, allocation.at_most)


def _processes_on(node: Mapping[str, float], cpus: int, gpus: float) -> int:
    """How many processes a node holds."""
    slots = int(node.get("CPU", 0.0) // cpus)
    if not gpus:
        return slots
    there = int(node.get("GPU", 0.0))
    return min(slots, there // int(gpus) if gpus >= 1 else there * int(1 / gpus + 1e-9))


class Capacity:
    """How many generations `nodes` hold, as of a few seconds ago. At least one, so that an autoscaler adds nodes."""

    def __init__(
        self,
        allocation: Allocation,
        nodes: Callable[[], Sequence[Mapping[str, float]]],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._allocation = allocation
        self._nodes = nodes
        self._clock = clock
        self._looked_at = float("-inf")
        self._concurrency = 1

    def __call__(self) -> int:
        now = self._clock()
        if now - self._looked_at >= _LOOK_INTERVAL_S:
            self._looked_at = now
            self._concurrency = max(1, concurrency(self._allocation, self._nodes()))
        return self._concurrency


def cluster_nodes(announced: Iterable[Mapping[str, float]] = ()) -> list[Node]:
    """The CPUs and GPUs of each node of the cluster that Ray is connected to, and of `announced` ones that it lacks."""
    import ray

    return with_announced((node["Resources"] for node in ray.nodes() if node["Alive"]), announced)


def with_announced(there: Iterable[Mapping[str, float]], announced: Iterable[Mapping[str, float]]) -> list[Node]:
    """Of each size of node as many as are there, or as were announced if that is more."""
    sizes = Counter(map(_size, there)) | Counter(map(_size, announced))
    return [dict(zip(_KINDS, size, strict=True)) for size in sizes.elements()]


def nodes_of_environment() -> list[Node]:
    """The nodes that BANSWEEP_CLUSTER_NODES announces. Raises ResourcesError if it is invalid."""
    return announced_nodes(os.environ.get(NODES_VARIABLE, ""))


def announced_nodes(text: str) -> list[Node]:
    """`8*CPU:6,GPU:1 2*CPU:4` as ten nodes. Raises ResourcesError."""
    nodes: list[Node] = []
    for group in text.split():
        match = _GROUP.fullmatch(group)
        if match is None:
            raise ResourcesError(
                f"{NODES_VARIABLE}: {group!r} is no group of nodes",
                remedy="write how many, and what each has: 8*CPU:6,GPU:1; groups are separated by blanks",
            )
        amounts = (amount.split(":") for amount in match[2].split(","))
        node = {kind: float(amount) for kind, amount in amounts}
        nodes += [dict(node) for _ in range(int(match[1]))]
    return nodes


def _size(node: Mapping[str, float]) -> tuple[float, ...]:
    return tuple(node.get(kind, 0.0) for kind in _KINDS)


def current_placement_group() -> str:
    """The placement group of this process, in hexadecimal; empty if it has none."""
    from ray.util import get_current_placement_group

    group = get_current_placement_group()
    return "" if group is None else group.id.hex()


def remove_placement_group(group: str) -> None:
    """Free the resources of a placement group. Does nothing if it has been removed."""
    from ray import PlacementGroupID
    from ray.util.placement_group import PlacementGroup
    from ray.util.placement_group import remove_placement_group as remove

    remove(PlacementGroup(PlacementGroupID.from_hex(group)))
