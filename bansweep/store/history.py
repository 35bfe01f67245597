"""history.parquet and candidates.parquet: a row per epoch, a column per metric, every float64 as it was.

What an epoch took of the machine has columns `system/...`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bansweep.plan.events import EpochReport

# pyarrow is imported inside the functions: `bansweep plan` loads this module and must start at once.

_COUNTS = ("epoch", "epochs")
_TIMES = ("seconds", "finished_at")
_CANDIDATE = "candidate"
_SYSTEM = "system/"


def encode_history(history: Sequence[EpochReport]) -> bytes:
    """The bytes of history.parquet. A metric that an epoch lacks is null; NaN stays NaN.

    Raises ValueError where a metric has the name of one of an epoch report's own fields.
    """
    return _encoded(history, {})


def encode_candidates(histories: Mapping[int, Sequence[EpochReport]]) -> bytes:
    """The bytes of candidates.parquet: the histories of a search's candidates, by their numbers."""
    numbers = [number for number, history in histories.items() for _ in history]
    return _encoded([report for history in histories.values() for report in history], {_CANDIDATE: numbers})


def decode_history(encoded: bytes) -> tuple[EpochReport, ...]:
    """The epoch reports in the bytes of history.parquet."""
    return tuple(map(_report, _rows(encoded)))


def decode_candidates(encoded: bytes) -> dict[int, tuple[EpochReport, ...]]:
    """The histories in the bytes of candidates.parquet; a candidate without a finished epoch is not among them."""
    histories: dict[int, list[EpochReport]] = {}
    for row in _rows(encoded):
        histories.setdefault(row.pop(_CANDIDATE), []).append(_report(row))
    return {number: tuple(history) for number, history in histories.items()}


def _encoded(reports: Sequence[EpochReport], numbers: Mapping[str, list[int]]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    figures = [_figures(report) for report in reports]
    metrics = list(dict.fromkeys(name for of_epoch in figures for name in of_epoch))
    if taken := sorted(set(metrics) & {*_COUNTS, *_TIMES, _CANDIDATE}):
        raise ValueError(f"metrics cannot be called {', '.join(taken)}: the history has columns of these names")
    columns = {name: pa.array(values, pa.int64()) for name, values in numbers.items()}
    columns |= {name: pa.array([getattr(report, name) for report in reports], pa.int64()) for name in _COUNTS}
    columns |= {name: pa.array([getattr(report, name) for report in reports], pa.float64()) for name in _TIMES}
    columns |= {name: pa.array([of_epoch.get(name) for of_epoch in figures], pa.float64()) for name in metrics}
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink)
    encoded: bytes = sink.getvalue().to_pybytes()
    return encoded


def _rows(encoded: bytes) -> list[dict[str, Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows: list[dict[str, Any]] = pq.ParquetFile(pa.BufferReader(encoded)).read(use_threads=False).to_pylist()
    return rows


def _figures(report: EpochReport) -> dict[str, float]:
    return {**report.metrics, **{_SYSTEM + name: value for name, value in report.system.items()}}


def _report(row: dict[str, Any]) -> EpochReport:
    own = {name: row.pop(name) for name in (*_COUNTS, *_TIMES)}
    figures = {name: value for name, value in row.items() if value is not None}
    return EpochReport(
        **own,
        metrics={name: value for name, value in figures.items() if not name.startswith(_SYSTEM)},
        system={name.removeprefix(_SYSTEM): value for name, value in figures.items() if name.startswith(_SYSTEM)},
    )
