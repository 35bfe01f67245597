"""A generation: one training run of one network from one seed, and the content id that names it."""

from __future__ import annotations

import hashlib
import json
from functools import cached_property

from bansweep.config.base import SpecModel
from bansweep.config.losses import LossSpec
from bansweep.config.networks import NetworkSpec
from bansweep.config.recipes import RecipeSpec
from bansweep.config.resources import Precision
from bansweep.config.search import Search
from bansweep.config.sweep import Select, SharedLayers

# Part of every id. Raise it when the meaning of a stored generation changes, or the default of an existing field:
# ids omit fields at their defaults, so that options added later keep the ids of what is stored.
IDENTITY_VERSION = 2


class DataIdentity(SpecModel):
    """A data set by its content: `fingerprint` is the digest of what it holds, not of where its files are."""

    kind: str
    fingerprint: str
    validation: int = 0
    limit: int | None = None
    test_limit: int | None = None


class Generation(SpecModel):
    """A node of the plan: everything that decides what is learnt, and nothing about where or when.

    `seed` is the effective seed, `teacher` the id of the generation that teaches (None: learns from labels), so that
    ids form a Merkle chain back to a label-trained teacher. One with a `search` is the best of its candidates (see
    `candidates`); the values of searched hyperparameters here are ignored. `select` is at its defaults if it decides
    nothing.
    """

    network: NetworkSpec
    loss: LossSpec
    shared_layers: SharedLayers = "none"
    recipe: RecipeSpec
    data: DataIdentity
    precision: Precision
    seed: int
    generation_index: int
    teacher: str | None = None
    search: Search | None = None
    select: Select = Select()

    @cached_property
    def id(self) -> str:
        """The first 64 bits of the SHA-256 of the canonical JSON, in hexadecimal."""
        return id_of_version(self, IDENTITY_VERSION)


def id_of_version(generation: Generation, version: int) -> str:
    """The id that a version of the identity gives a generation; `IDENTITY_VERSION` is the current one."""
    return hashlib.sha256(canonical_json(generation, version).encode()).hexdigest()[:16]


def canonical_json(generation: Generation, version: int = IDENTITY_VERSION) -> str:
    """The text whose hash is the id: keys sorted, no spaces, without fields at their defaults."""
    # `generation_index` acts through the seed alone. A kind is its field's default, and must be included.
    content = generation.model_dump(mode="json", exclude_defaults=True, exclude={"generation_index"})
    content["network"]["kind"] = generation.network.kind
    content["loss"]["kind"] = generation.loss.kind
    for part in (content["network"], content["loss"]):
        if "code" in part:
            # The text of user code counts, not the place of its file.
            del part["code"]["file"]
    search = generation.search
    if search is not None:
        content["search"]["parameters"] = {key: one.model_dump(mode="json") for key, one in search.parameters.items()}
        if search.pruner is not None:
            content["search"]["pruner"]["kind"] = search.pruner.kind
    content["version"] = version
    return json.dumps(content, sort_keys=True, separators=(",", ":"))


def derived_seed(seed: int, *purpose: object) -> int:
    """A different seed in [0, 2**63) for each purpose, such as (`"dropout"`, epoch, rank)."""
    text = "/".join(str(part) for part in (seed, *purpose))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) >> 1


def effective_seed(replica_seed: int, column_seed: int, generation_index: int) -> int:
    """The seed of a generation: no two generations of a chain start from the same weights."""
    return derived_seed(replica_seed, column_seed, generation_index)
