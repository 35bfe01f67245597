"""What a sweep has spent, kept in `sweeps/<name>/spent/`: a file for each run of it, of which there may be several."""

from __future__ import annotations

import json
import logging
import uuid
from collections import Counter

from bansweep.errors import DamagedError, StoreError
from bansweep.graph.spending import hours_in
from bansweep.store.paths import StorePath
from bansweep.store.store import Store

_FOLDER = "spent"
_REMEDY = "move the file away to leave out what it says"
_log = logging.getLogger(__name__)


class SpendingLedger:
    """The device hours of one sweep, by generation, over all attempts of all runs in this store."""

    def __init__(self, store: Store, sweep: str) -> None:
        self._folder = store.sweep_path(sweep) / _FOLDER
        self._own = f"{uuid.uuid4().hex}.json"

    def total(self) -> dict[str, float]:
        """The hours of all runs, by generation. Raises StoreError where a file cannot be used: a budget that forgot it
        would be spent twice."""
        hours: Counter[str] = Counter()
        for name in self._folder.names():
            if name.endswith(".json"):
                hours.update(_read(self._folder / name))
        return dict(hours)

    def others(self) -> float:
        """The hours of all runs but this one. Raises StoreError likewise."""
        names = [name for name in self._folder.names() if name.endswith(".json") and name != self._own]
        return sum(sum(_read(self._folder / name).values()) for name in names)

    def write(self, hours: dict[str, float]) -> None:
        """Keep this run's hours. Training never stops for it: what cannot be written is told in the log."""
        if not hours:
            return
        text = json.dumps({"device_hours": hours}) + "\n"
        try:
            self._folder.make_folder()
            (self._folder / self._own).replace(text.encode())
        except (StoreError, OSError) as error:
            _log.warning("what was spent is not kept: %s", error)


def _read(path: StorePath) -> dict[str, float]:
    try:
        return hours_in(json.loads(path.read()))
    except FileNotFoundError:
        return {}
    except DamagedError as error:
        raise StoreError(error.cause, remedy=_REMEDY) from error
    except (ValueError, OverflowError, RecursionError) as error:
        raise StoreError(f"cannot read what was spent so far from {path}: {error}", remedy=_REMEDY) from error
