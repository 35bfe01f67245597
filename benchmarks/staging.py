"""What faults need of this machine: a cluster of several nodes, a small disk, the processes of a command."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


class SkippedError(Exception):
    """A fault that cannot be injected here; says why."""


def descendants(pid: int, name: str) -> list[int]:
    """Processes below `pid` in whose command line `name` is."""
    parents: dict[int, int] = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(status.parent.name)] = int(status.read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            continue

    def is_below(one: int) -> bool:
        while one in parents and one != pid:
            one = parents[one]
        return one == pid

    def is_named(one: int) -> bool:
        try:
            return name.encode() in Path(f"/proc/{one}/cmdline").read_bytes()
        except OSError:
            return False

    return sorted(one for one in parents if is_below(one) and is_named(one))


@contextmanager
def cluster_of(nodes: int) -> Iterator[tuple[Any, list[Any]]]:
    """A Ray cluster on this machine: a head that trains nothing, and nodes of one CPU each."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    try:
        yield cluster, [cluster.add_node(num_cpus=1) for _ in range(nodes)]
    finally:
        cluster.shutdown()


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[None]:
    folder.mkdir(parents=True)
    try:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise SkippedError("a small disk needs the right to mount one") from error
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def mount(options: str, folder: Path) -> None:
    subprocess.run(["mount", "-o", options, folder], check=True)
