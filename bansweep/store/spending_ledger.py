"""A sweep's spending, kept in `sweeps/<name>/spent/`: one file for each run, and several may run at once."""

from __future__ import annotations

import json
import logging
import uuid
from collections import Counter

from bansweep.errors import DamagedError, StoreError
from bansweep.graph.spending import hours_in
from bansweep.store.paths import StorePath
from bansweep.store.store import Store

_log = logging.getLogger(__name__)

_FOLDER = "spent"
_REMEDY = "move the file away to leave out what it says"


class SpendingLedger:
    """The device hours of one sweep, by generation, over all attempts of all runs in this store."""

    def __init__(self, store: Store, sweep: str) -> None:
        self._folder = store.sweep_path(sweep) / _FOLDER
        self._own = f"{uuid.uuid4().hex}.json"

    def total(self) -> dict[str, float]:
        """The hours of all runs, by generation. Raises StoreError where a file cannot be used: without it the budget
        would be spent twice."""
        hours: Counter[str] = Counter()
        for name in self._folder.names():
            if name.endswith(".json"):
                hours.update(_read(self._folder / name))
        return dict(hours)

    def others(self) -> float:
        """The hours of all other runs. Raises StoreError likewise."""
        names = [name for name in self._folder.names() if name.endswith(".json") and name != self._own]
        return sum(sum(_read(self._folder / name).values()) for name in names)

    def write(self, hours: dict[str, float]) -> None:
        """Writes this run's hours. Failing to write is logged and never stops training."""
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
