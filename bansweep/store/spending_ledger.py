"""What a sweep has spent, kept between its runs in `sweeps/<name>/spent.json`."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping

from bansweep.errors import StoreError
from bansweep.plan.spending import hours_in
from bansweep.store.store import Store

_FILE = "spent.json"
_log = logging.getLogger(__name__)


class SpendingLedger:
    """The device hours of one sweep, by generation, over all attempts of all runs in this store."""

    def __init__(self, store: Store, sweep: str) -> None:
        self._store = store
        self._sweep = sweep

    def read(self) -> dict[str, float]:
        """The hours by generation; empty where nothing was spent. Raises StoreError where the file cannot be used: a
        budget that began anew would be spent twice."""
        path = self._store.sweep_path(self._sweep) / _FILE
        try:
            return hours_in(json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise StoreError(
                f"cannot read what was spent so far from {path}: {error}",
                remedy="move the file away to count from nothing again",
            ) from error

    def write(self, hours: Mapping[str, float]) -> None:
        """Keep the hours. Training never stops for it: what cannot be written is told in the log."""
        text = json.dumps({"device_hours": dict(hours)}, indent=2) + "\n"
        try:
            self._store.write_sweep_file(self._sweep, _FILE, text)
        except StoreError as error:
            _log.warning("what was spent is not kept: %s", error.cause)
