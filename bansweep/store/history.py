"""history.parquet: a row per epoch, a column per metric, every float64 as it was."""

from __future__ import annotations

from collections.abc import Sequence

from bansweep.plan.events import EpochReport

# pyarrow is imported inside the functions: `bansweep plan` loads this module and must start at once.

_COUNTS = ("epoch", "epochs")
_TIMES = ("seconds", "finished_at")


def encode_history(history: Sequence[EpochReport]) -> bytes:
    """The bytes of history.parquet. A metric that an epoch lacks is null; NaN stays NaN.

    Raises ValueError where a metric has the name of one of an epoch report's own fields.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    metrics = list(dict.fromkeys(name for report in history for name in report.metrics))
    if taken := sorted(set(metrics) & {*_COUNTS, *_TIMES}):
        raise ValueError(f"metrics cannot be called {', '.join(taken)}: the history has columns of these names")
    columns = {name: pa.array([getattr(report, name) for report in history], pa.int64()) for name in _COUNTS}
    columns |= {name: pa.array([getattr(report, name) for report in history], pa.float64()) for name in _TIMES}
    columns |= {name: pa.array([report.metrics.get(name) for report in history], pa.float64()) for name in metrics}
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink)
    encoded: bytes = sink.getvalue().to_pybytes()
    return encoded


def decode_history(encoded: bytes) -> tuple[EpochReport, ...]:
    """The epoch reports in the bytes of history.parquet."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = pq.ParquetFile(pa.BufferReader(encoded)).read(use_threads=False).to_pylist()
    return tuple(
        EpochReport(
            **{name: row.pop(name) for name in (*_COUNTS, *_TIMES)},
            metrics={name: value for name, value in row.items() if value is not None},
        )
        for row in rows
    )
