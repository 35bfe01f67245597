"""Looking through finished generations for damage, and setting aside what is damaged, so that it is trained again."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor

from bansweep.plan.generation import Generation
from bansweep.store import published
from bansweep.store.claims import Claim
from bansweep.store.layout import WEIGHTS_FILE, Layout

READERS = 8
"""As many threads read or look at once: hashing leaves Python's lock alone, and so does waiting for a network."""


def set_aside_damaged(
    layout: Layout,
    generations: Mapping[str, Generation],
    *,
    finished: Callable[[Iterable[str]], Collection[str]],
    claim: Callable[[str], Claim],
) -> dict[str, str]:
    """Reads the files of those generations that are finished, and sets the damaged aside; says what was wrong.

    In a store behind a network, weights are read only of those that one of `generations` has yet to learn from: they
    are most of what there is, and whoever does need them checks them.
    """
    said: dict[str, str] = {}
    read: set[tuple[str, bool]] = set()
    while True:
        there = finished(generations)
        teachers = {one.teacher for key, one in generations.items() if key not in there}
        unread = {(key, not layout.root.remote or key in teachers) for key in there} - read
        if not unread:
            return said
        read |= unread
        with ThreadPoolExecutor(READERS) as readers:
            causes = readers.map(lambda one: _damage(layout, *one), sorted(unread))
            damaged = {
                key: with_weights for (key, with_weights), cause in zip(sorted(unread), causes, strict=True) if cause
            }
        # One that is set aside is to be trained again, and then its teacher's weights are needed, too.
        for key, with_weights in damaged.items():
            text = _set_aside(layout, key, with_weights=with_weights, claim=claim(key))
            if text is not None:
                said[key] = text


def _damage(layout: Layout, generation_id: str, with_weights: bool) -> str | None:
    return published.damage(layout, generation_id, but=() if with_weights else (WEIGHTS_FILE,))


def _set_aside(layout: Layout, generation_id: str, *, with_weights: bool, claim: Claim) -> str | None:
    """Sets a generation aside that is still damaged once nobody else may do so, or publish it anew."""

    def is_gone() -> bool:
        return not layout.record(generation_id).exists()

    with claim:
        if not claim.acquire(until=is_gone):
            return None
        cause = _damage(layout, generation_id, with_weights)
        if cause is None:
            return None
        return f"{cause}; set aside as {published.set_aside(layout, generation_id)}"
