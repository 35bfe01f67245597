"""Placement groups that outlive their owners.

A Ray Train controller that dies, alone or with the trial that started it, leaves its workers' placement group behind,
and with it their CPUs: Ray's own cleaner works through the dashboard and finds no cluster where there are several.
So workers tell which group they are in, and the driver removes it before the next attempt.
"""

from __future__ import annotations


def current_placement_group() -> str:
    """The placement group of this process, in hexadecimal; empty where it has none."""
    from ray.util import get_current_placement_group

    group = get_current_placement_group()
    return "" if group is None else group.id.hex()


def remove_placement_group(group: str) -> None:
    """Give back what a placement group holds; nothing where it is gone already."""
    from ray import PlacementGroupID
    from ray.util.placement_group import PlacementGroup
    from ray.util.placement_group import remove_placement_group as remove

    remove(PlacementGroup(PlacementGroupID.from_hex(group)))
