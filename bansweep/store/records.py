"""The record of a finished generation, `generation.json`, and when its user code may run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Self

from pydantic import ConfigDict, Field, JsonValue, ValidationError, field_validator, model_validator

from bansweep.config.base import SpecModel
from bansweep.config.networks import UserNetwork
from bansweep.errors import DamagedError, StoreError
from bansweep.graph.candidates import Candidate, CandidateOutcome, candidate_of, former_candidates
from bansweep.graph.generation import Generation
from bansweep.graph.results import CandidateResult, EpochReport
from bansweep.store.layout import PUBLISHED_FILES, RECORD_FILE, sha256
from bansweep.store.paths import StorePath

SCHEMA_VERSION = 2

TRAINED_AGAIN = "the next bansweep run sets the generation aside and trains it again"
"""The remedy for damage."""


class CandidateRecord(SpecModel):
    """A `CandidateResult` as generation.json has it; its history is in candidates.parquet.

    `number` counts from 1; `id` is that of the candidate's generation; `setting` has the searched hyperparameters by
    key. It trained `epochs` epochs in `seconds` before it was finished, pruned or failed. Candidates are compared by
    `value`, reached in epoch `epoch`.
    """

    model_config = ConfigDict(allow_inf_nan=True, ser_json_inf_nan="strings")

    number: int
    id: str
    setting: Mapping[str, JsonValue]
    outcome: CandidateOutcome
    epochs: int
    epoch: int | None
    value: float | None
    seconds: float
    reason: str = ""

    @classmethod
    def of(cls, result: CandidateResult) -> Self:
        """The record of a candidate of a search that is decided."""
        return cls(
            number=recorded_number(result.candidate),
            # An invalid setting has no training of its own.
            id="" if result.candidate.generation.search else result.candidate.id,
            setting=result.candidate.setting,
            outcome=result.outcome,
            epochs=len(result.history),
            epoch=result.epoch,
            value=result.value,
            seconds=result.seconds,
            reason=result.reason,
        )


class GenerationRecord(SpecModel):
    """A finished generation.

    `label` is its name in the sweep that trained it. `input_shape` is channels, height, width (None for text).
    `classes` is the number of classes, or of words in the vocabulary. `teacher_digest` is the SHA-256 of the teacher's
    weights file. `metrics` has the final figures (`test_error` in percent, `test_loss`, `train_loss`, ...). Times are
    Unix seconds. `selected_epoch` is the epoch whose weights are stored. A searched generation has all its
    `candidates` and the number of the `winner`; `parameters` to `metrics` and times are the winner's.
    `compiled_epochs` counts the epochs that ran compiled; None in records of former versions. `digests` maps file
    names to their SHA-256 and is set when the generation is published; the entry of generation.json is the digest of
    the record without that entry. `folder` holds the other files, below the record's own folder.
    """

    # An infinite loss is a result, too. Standard JSON has no such numbers, hence strings.
    model_config = ConfigDict(allow_inf_nan=True, ser_json_inf_nan="strings")

    schema_version: int = SCHEMA_VERSION
    id: str
    generation: Generation
    label: str
    input_shape: tuple[int, int, int] | None
    classes: int
    parameters: int
    teacher_digest: str | None
    metrics: Mapping[str, float]
    training_seconds: float
    started_at: float
    finished_at: float
    device: str
    host: str
    versions: Mapping[str, str]
    selected_epoch: int | None = None
    compiled_epochs: int | None = None
    candidates: tuple[CandidateRecord, ...] = ()
    winner: int | None = None
    digests: Mapping[str, str] = Field(default_factory=dict)
    folder: str = Field(default="", pattern=r"^[A-Za-z0-9-]{0,80}$")

    @field_validator("digests")
    @classmethod
    def _names_known_files(cls, digests: Mapping[str, str]) -> Mapping[str, str]:
        """Names become parts of paths, so an unknown name could lead out of the store."""
        for name in digests:
            if name not in PUBLISHED_FILES:
                raise ValueError(f"{name!r} is no file of a generation: they are {', '.join(PUBLISHED_FILES)}")
        return digests

    @model_validator(mode="after")
    def _winner_is_a_candidate(self) -> Self:
        if self.winner is not None and not 1 <= self.winner <= len(self.candidates):
            raise ValueError(f"candidate {self.winner} of {len(self.candidates)} cannot be the winner")
        return self

    @property
    def trained(self) -> Generation:
        """The trained generation: this one, or the candidate that won its search."""
        if self.winner is None:
            return self.generation
        return candidate_in(self, self.candidates[self.winner - 1]).generation


def recorded_number(candidate: Candidate) -> int:
    """Records number candidates from 1, as all output does."""
    return candidate.number + 1


def candidate_in(record: GenerationRecord, recorded: CandidateRecord) -> Candidate:
    """One of a record's candidates, under the id that it was trained with."""
    named = (record.generation, recorded.number - 1, recorded.setting)
    candidate = candidate_of(*named)
    if candidate.id == recorded.id:
        return candidate
    return next((former for former in former_candidates(*named) if former.id == recorded.id), candidate)


def candidate_results(
    record: GenerationRecord, histories: Mapping[int, tuple[EpochReport, ...]]
) -> tuple[CandidateResult, ...]:
    """The results of a record's candidates, given their histories by number; without invalid settings."""
    return tuple(
        CandidateResult(
            candidate_in(record, one),
            one.outcome,
            histories.get(one.number, ()),
            one.epoch,
            one.value,
            one.reason,
        )
        for one in record.candidates
        if one.id
    )


def sealed(record: GenerationRecord, digests: Mapping[str, str], folder: str = "") -> GenerationRecord:
    """The record with the folder of its generation's files, their digests, and its own."""
    unsealed = record.model_copy(update={"digests": dict(digests), "folder": folder})
    return unsealed.model_copy(update={"digests": {**digests, RECORD_FILE: _own_digest(_content(unsealed))}})


def encode_record(record: GenerationRecord) -> bytes:
    """The text of generation.json."""
    return (json.dumps(_content(record), indent=2, ensure_ascii=False) + "\n").encode()


def decode_record(text: bytes, path: StorePath) -> GenerationRecord:
    """The record in the text of generation.json; `path` is named in errors.

    Raises DamagedError where it does not match its own digest, StoreError where another version of bansweep wrote it.
    """
    try:
        content = json.loads(text)
        recorded = content["digests"][RECORD_FILE]
        actual = _own_digest(content)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DamagedError(f"{path} is damaged: it is not the record of a generation", remedy=TRAINED_AGAIN) from error
    if recorded != actual:
        raise DamagedError(f"{path} is damaged: its content has digest {actual}, not {recorded}", remedy=TRAINED_AGAIN)
    try:
        if content["schema_version"] > SCHEMA_VERSION:
            raise ValueError(f"schema version {content['schema_version']}, this one reads up to {SCHEMA_VERSION}")
        return GenerationRecord.model_validate(content)
    except (ValidationError, ValueError, KeyError, TypeError) as error:
        raise StoreError(
            f"{path} was written by another version of bansweep: {error}",
            remedy="use the newest version on this store, or another store with --store",
        ) from error


def check_user_code(record: GenerationRecord, *, planned_id: str | None) -> None:
    """Allows stored user code to run only where the user's sweep file names the same code.

    `planned_id` is the generation's id in that sweep, a digest that covers its code; None if no sweep names it. Raises
    StoreError for None and where the record has other code.
    """
    network, planned = record.trained.network, record.generation
    if not isinstance(network, UserNetwork):
        return
    if planned_id is None:
        raise StoreError(
            f"the network of {record.id} is user code ({network.code.file}:{network.code.name}), "
            "which is not run because a store holds it",
            remedy="name the sweep file that names it, and the cell: SWEEP ROW/COLUMN",
        )
    same_code = isinstance(planned.network, UserNetwork) and planned.network.code.text == network.code.text
    if planned.id != planned_id or not same_code:
        raise StoreError(
            f"the record of {record.id} holds other code than the sweep names",
            remedy="the store was changed: remove that generation, then run the sweep again",
        )


def _content(record: GenerationRecord) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(record.model_dump_json())
    return content


def _own_digest(content: dict[str, Any]) -> str:
    """The SHA-256 of the record's canonical JSON without this digest."""
    others = {name: digest for name, digest in content["digests"].items() if name != RECORD_FILE}
    return sha256(json.dumps({**content, "digests": others}, sort_keys=True, separators=(",", ":")).encode())
