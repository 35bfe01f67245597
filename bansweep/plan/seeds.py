"""Seeds derived from seeds: nothing random is shared between two uses of chance, or has to be saved for a resume."""

from __future__ import annotations

import hashlib


def derived_seed(seed: int, *purpose: object) -> int:
    """A seed in [0, 2**63) of its own for each purpose, such as (`"dropout"`, epoch, rank)."""
    text = "/".join(str(part) for part in (seed, *purpose))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) >> 1


def effective_seed(replica_seed: int, column_seed: int, generation_index: int) -> int:
    """A generation's own seed: no two generations of a chain start from the same weights."""
    return derived_seed(replica_seed, column_seed, generation_index)
