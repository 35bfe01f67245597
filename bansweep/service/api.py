"""The Python interface: load a sweep, run it, and read its results.

pandas is imported only where a DataFrame is made.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from os import environ
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bansweep.config.reading import read_sweep
from bansweep.config.sweep import SweepSpec
from bansweep.errors import RequestError, TrainingError
from bansweep.graph.chains import ChainEnd, without_ended
from bansweep.graph.plan import Plan
from bansweep.report.document import Outcome
from bansweep.service.display import MessageConsole
from bansweep.service.generation_states import generation_states
from bansweep.service.request import SweepRequest, sweep_request
from bansweep.service.run_log import messages_stream
from bansweep.service.running import run_request
from bansweep.service.sweep_report import SweepReport, sweep_report
from bansweep.service.sweep_state import SweepState
from bansweep.store.location import DEFAULT_STORE, store_location
from bansweep.store.store import Store

if TYPE_CHECKING:
    import pandas as pd


# A process has one connection to Ray and one standard output: calls from several threads wait for each other.
_one_at_a_time = threading.Lock()


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
        request = self.request(store)
        states = generation_states(request.plan, request.store)
        return SweepResult(self, request, states.ends, Outcome(reused=states.finished))

    def request(
        self, store: str | Path | None = None, address: str | None = None, *, to_run: bool = False
    ) -> SweepRequest:
        """The request of a subcommand for this sweep. Raises RequestError; `to_run` also StoreError."""
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


def run(
    sweep: Sweep,
    store: str | Path | None = None,
    *,
    address: str | None = None,
    quiet: bool = False,
    check: bool = True,
) -> SweepResult:
    """Train the generations that the `store` lacks, and return what it holds then.

    `store`: a folder or a URL such as s3://BUCKET/FOLDER; defaults to `BANSWEEP_STORE`, then to `bansweep-store` in the
    working directory. `address` is that of a running Ray cluster. Without one, and without `RAY_ADDRESS`, the call uses
    the connection that `ray.init` has made in this process and leaves it open, or starts a cluster that ends with the
    call. Progress is shown on stderr unless `quiet`. After an interruption or a failure, the same call resumes.

    Call it from any thread. Calls from several threads wait for each other: a process has one connection to Ray.
    Side effects: the store, MLflow's tracking database, Ray's processes while it runs.
    Raises RequestError before anything starts, ClusterError or StoreError where the sweep cannot go on, and, with
    `check`, TrainingError where a generation failed: the others are finished, and `sweep.result(store)` has them.
    """
    if not isinstance(sweep, Sweep):
        raise RequestError(
            f"bansweep.run takes a sweep, not {sweep!r:.100}",
            remedy="load it first: bansweep.run(bansweep.load_sweep(FILE))",
        )
    console = MessageConsole(file=messages_stream(), highlight=False, markup=False, quiet=quiet)
    with _one_at_a_time:
        end = run_request(sweep.request(store, address, to_run=True), console, address=address)
    for line in end.messages():
        console.print(line, soft_wrap=True)
    if end.stopped_by is not None:
        raise end.stopped_by
    if check and end.state.failed:
        raise _failure(end.state)
    return SweepResult(sweep, end.request, end.ends, end.outcome)


@dataclass(frozen=True)
class SweepResult:
    """A sweep's generations as the store held them at that time, and their outcomes.

    Errors are in percent, perplexities as they are, losses in nats, times in seconds.
    """

    sweep: Sweep
    request: SweepRequest = field(repr=False)
    ends: Sequence[ChainEnd] = field(repr=False)
    outcome: Outcome = field(repr=False)

    @property
    def trained(self) -> tuple[str, ...]:
        """The ids of the generations that this run trained."""
        return self.outcome.trained

    @property
    def reused(self) -> tuple[str, ...]:
        """The ids of the generations that the store had before."""
        return self.outcome.reused

    @property
    def failed(self) -> Mapping[str, str]:
        """Id -> why it failed."""
        return self.outcome.failed

    @property
    def store(self) -> Store:
        """Where weights, predictions and records are: `store.record(id)`, `store.weights(id)`, ..."""
        return self.request.store

    @property
    def plan(self) -> Plan:
        """The plan, without generations after the ends of chains that stopped improving."""
        return without_ended(self.request.plan, self.ends)

    @cached_property
    def report(self) -> SweepReport:
        """The report: `report.page` is the HTML page, `report.document` what `bansweep report --json` prints."""
        return sweep_report(self.request, self.ends, self.outcome)

    def table(self) -> pd.DataFrame:
        """Networks by columns, as `bansweep report` shows them: means over seeds, NaN where nothing is finished."""
        from bansweep.service.frames import table_frame

        return table_frame(self.report.table)

    def cells(self) -> pd.DataFrame:
        """A line for each cell and seed: `row`, `column`, `kind` (generation or ensemble), `seed`, `value`, `paper`."""
        from bansweep.service.frames import cells_frame

        return cells_frame(self.report.table)

    def generations(self) -> pd.DataFrame:
        """A line for each generation, by its id: its place, network, loss, teacher and state; of finished ones metrics.

        A generation in several cells has one line: `columns` has all of them, `row` the first.
        """
        from bansweep.service.frames import generations_frame

        return generations_frame(self.plan, self.store)

    def histories(self) -> pd.DataFrame:
        """A line for each finished generation, epoch and metric: `generation`, `label`, `epoch`, `metric`, `value`."""
        from bansweep.service.frames import histories_frame

        return histories_frame(self.plan, self.store)

    def _repr_html_(self) -> str:
        html: str = self.table().to_html(float_format=lambda value: f"{value:.2f}", na_rep="")
        return html


def _as_yaml(value: Any) -> str:
    """A value as a sweep file may have it. JSON is YAML."""
    return json.dumps(value, default=_plain, ensure_ascii=False)


def _plain(value: Any) -> Any:
    """Values that JSON lacks: paths, NumPy's numbers and arrays."""
    if isinstance(value, Path):
        return str(value)
    if callable(convert := getattr(value, "tolist", None)):
        return convert()
    raise RequestError(f"{value!r} cannot stand in a sweep file", remedy="give numbers, texts, lists and mappings")


def _location(store: str | Path | None) -> str:
    """The store's location, with the command line's defaults."""
    return store_location(store if store is not None else environ.get("BANSWEEP_STORE") or DEFAULT_STORE)


def _failure(state: SweepState) -> TrainingError:
    first, reason = next(iter(state.failed.items()))
    more = f", and {len(state.failed) - 1} more" if len(state.failed) > 1 else ""
    blocked = f"; {len(state.blocked)} that would learn from them were not begun" if state.blocked else ""
    return TrainingError(
        f"{state.plan.label(first)} failed{more}{blocked}: {reason}",
        remedy="what is finished is in the store: sweep.result(store); run(..., check=False) returns it, with `failed`",
    )
