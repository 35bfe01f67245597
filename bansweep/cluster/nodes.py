"""The nodes of a cluster: those that are there, and those that it has said it can have.

A cluster with an autoscaler begins with a head and adds nodes when work waits for them. Ray does not say which; whoever
sets such a cluster up does, in BANSWEEP_CLUSTER_NODES, as the manifests in deploy/ do.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping

from bansweep.errors import ResourcesError

NODES_VARIABLE = "BANSWEEP_CLUSTER_NODES"

Node = dict[str, float]

_GROUP = re.compile(r"(\d{1,5})\*([A-Za-z_]\w*:\d+(?:\.\d+)?(?:,[A-Za-z_]\w*:\d+(?:\.\d+)?)*)")
_KINDS = ("CPU", "GPU")


def cluster_nodes(announced: Iterable[Mapping[str, float]] = ()) -> list[Node]:
    """The CPUs and GPUs of each node of the cluster that Ray is connected to, with those `announced` that it lacks."""
    import ray

    return with_announced((node["Resources"] for node in ray.nodes() if node["Alive"]), announced)


def with_announced(there: Iterable[Mapping[str, float]], announced: Iterable[Mapping[str, float]]) -> list[Node]:
    """Of each size of node as many as are there, or as were announced where that is more."""
    sizes = Counter(map(_size, there)) | Counter(map(_size, announced))
    return [dict(zip(_KINDS, size, strict=True)) for size in sizes.elements()]


def nodes_of_environment() -> list[Node]:
    """What BANSWEEP_CLUSTER_NODES announces. Raises ResourcesError where it cannot be read."""
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
