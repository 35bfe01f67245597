"""Placement groups that outlive their owners.

A Ray Train controller that dies, alone or with the trial that started it, leaves its workers' placement group behind,
and with it their CPUs: Ray's own cleaner works through the dashboard and finds no cluster where there are several.
So workers tell which group they are in, and the driver removes it before the next attempt.
"""

from __future__ import annotations

from typing import Any

_KEY = "placement_group"


def placement_message() -> dict[str, str]:
    """The message in which a worker tells the driver its placement group."""
    from ray.util import get_current_placement_group

    group = get_current_placement_group()
    return {_KEY: group.id.hex()} if group is not None else {}


def told_placement_group(message: dict[str, Any]) -> str | None:
    """The placement group that a message tells of, if it does."""
    return message.get(_KEY)


def remove_placement_group(group: str) -> None:
    """Give back what a placement group holds; nothing where it is gone already."""
    from ray import PlacementGroupID
    from ray.util.placement_group import PlacementGroup
    from ray.util.placement_group import remove_placement_group as remove

    remove(PlacementGroup(PlacementGroupID.from_hex(group)))
