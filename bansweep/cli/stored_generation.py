"""Finding a finished generation in a store by what its id begins with."""

from __future__ import annotations

import re

from bansweep.errors import RequestError
from bansweep.store.records import GenerationRecord
from bansweep.store.store import Store


def found_record(store: Store, beginning: str, location: str) -> GenerationRecord:
    """The one record whose id begins so. Raises RequestError for none, for several, and for what cannot be an id."""
    if not re.fullmatch(r"[0-9a-f]{4,16}", beginning):
        raise RequestError(
            f"{beginning!r} is no generation's id: ids are 16 hexadecimal digits, of which the first 4 may do",
            remedy="bansweep plan SWEEP lists the ids of a sweep",
        )
    if not store.exists:
        raise RequestError(f"no store at {location}", remedy="--store STORE names one that bansweep run has written to")
    ids = [beginning] if len(beginning) == 16 else [one for one in store.ids() if one.startswith(beginning)]
    if len(ids) > 1:
        raise RequestError(
            f"{beginning!r} begins the ids of {len(ids)} generations: {', '.join(ids[:5])}{', ...' * (len(ids) > 5)}",
            remedy="give more digits",
        )
    record = store.record(ids[0]) if ids else None
    if record is None:
        raise RequestError(
            f"no finished generation {beginning!r} in {location}",
            remedy="bansweep plan SWEEP lists the ids of a sweep; --store names another store",
        )
    return record
