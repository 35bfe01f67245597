"""A sweep file as Python holds it: read, found right, and still the same when it is run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from os import environ
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bansweep.errors import RequestError
from bansweep.plan.plan import Plan
from bansweep.spec.reading import read_sweep
from bansweep.spec.sweep import SweepSpec
from bansweep.store.location import DEFAULT_STORE, store_location

if TYPE_CHECKING:
    from bansweep.api.result import SweepResult
    from bansweep.service.request import SweepRequest


@dataclass(frozen=True)
class Sweep:
    """A sweep file, with `changes` as `bansweep run --set` takes them, or the part of it that `only` names.

    `rehearse`: the whole graph with very little data for one epoch, in a store of its own.
    """

    file: Path
    changes: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    rehearse: bool = False
    spec: SweepSpec = field(kw_only=True, repr=False)

    @property
    def name(self) -> str:
        return self.spec.name

    def plan(self) -> Plan:
        """What there is to train: each distinct generation once, its teacher before it, and the cells that show it.

        Raises RequestError.
        """
        return self.request().plan

    def result(self, store: str | Path | None = None) -> SweepResult:
        """The sweep as the `store` has it now; nothing is trained. Raises BansweepError."""
        from bansweep.api.result import SweepResult
        from bansweep.report.document import Outcome
        from bansweep.service.generation_states import generation_states

        request = self.request(store)
        states = generation_states(request.plan, request.store)
        return SweepResult(self, request, states.ends, Outcome(reused=states.finished))

    def request(
        self, store: str | Path | None = None, address: str | None = None, *, to_run: bool = False
    ) -> SweepRequest:
        """What a subcommand of the command line would work on. Raises RequestError; `to_run` also StoreError."""
        from bansweep.service.request import sweep_request

        if read_sweep(self.file, self.changes) != self.spec:
            raise RequestError(f"{self.file} has changed since it was loaded", remedy="load it again: load_sweep(...)")
        return sweep_request(
            self.file,
            _location(store),
            self.changes,
            self.only,
            rehearse=self.rehearse,
            to_run=to_run,
            address=address,
        )


def load_sweep(
    file: str | Path,
    changes: Mapping[str, Any] | None = None,
    *,
    only: Sequence[str] = (),
    rehearse: bool = False,
) -> Sweep:
    """Read a sweep file. Nothing is trained, and no code that the file names is run.

    `changes` are what `--set` changes, by their keys: `{"recipe.epochs": 1, "seeds": [0, 1]}`; `only` is as `--only`:
    patterns of rows, columns or `row/column`. Raises SweepFileError with everything that is wrong with the file.
    """
    path = Path(file)
    texts = tuple(f"{key}={_as_yaml(value)}" for key, value in (changes or {}).items())
    patterns = (only,) if isinstance(only, str) else tuple(only)
    return Sweep(path, texts, patterns, rehearse, spec=read_sweep(path, texts))


def _as_yaml(value: Any) -> str:
    """A value as a sweep file may have it. JSON is YAML."""
    return json.dumps(value, default=_plain, ensure_ascii=False)


def _plain(value: Any) -> Any:
    """What JSON lacks but people have at hand: paths, tuples within others, NumPy's numbers and arrays."""
    if isinstance(value, Path):
        return str(value)
    if callable(convert := getattr(value, "tolist", None)):
        return convert()
    raise RequestError(f"{value!r} cannot stand in a sweep file", remedy="give numbers, texts, lists and mappings")


def _location(store: str | Path | None) -> str:
    """The store that is meant, as on the command line."""
    return store_location(store if store is not None else environ.get("BANSWEEP_STORE") or DEFAULT_STORE)
