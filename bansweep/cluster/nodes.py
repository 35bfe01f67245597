"""The nodes of a cluster: those that are there, or those that it has said it can have.

A cluster with an autoscaler begins with a head and adds nodes when work waits for them. Ray does not say which; whoever
sets such a cluster up does, in BANSWEEP_CLUSTER_NODES, as the manifests in deploy/ do.
"""

from __future__ import annotations

import os
import re

from bansweep.errors import ResourcesError

NODES_VARIABLE = "BANSWEEP_CLUSTER_NODES"

Node = dict[str, float]

_HEAD = "node:__internal_head__"
_GROUP = re.compile(r"(\d{1,5})\*([A-Za-z_]\w*:\d+(?:\.\d+)?(?:,[A-Za-z_]\w*:\d+(?:\.\d+)?)*)")


def cluster_nodes() -> list[Node]:
    """The resources of each node of the cluster that Ray is connected to: of the heads and those that were announced,
    or of all that are there. Raises ResourcesError where the announcement cannot be read."""
    import ray

    there = [dict(node["Resources"]) for node in ray.nodes() if node["Alive"]]
    announced = announced_nodes(os.environ.get(NODES_VARIABLE, ""))
    return [node for node in there if _HEAD in node] + announced if announced else there


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
