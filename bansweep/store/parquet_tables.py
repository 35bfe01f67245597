"""Parquet files of a generation: predictions, history and candidates.

An epoch's use of the machine has columns `system/...`. Nothing imports pyarrow at module level: `bansweep plan` loads
this module and must start fast.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bansweep.graph.results import EpochReport

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


_COUNTS = ("epoch", "epochs")
_TIMES = ("seconds", "finished_at")
_CANDIDATE = "candidate"
_SYSTEM = "system/"


@dataclass(frozen=True)
class Predictions:
    """Class probabilities (float32, N x C) and labels (int64, N) of the test split, in the data set's order.

    Raises ValueError for other shapes or dtypes.
    """

    probabilities_NC: npt.NDArray[np.float32]
    labels_N: npt.NDArray[np.int64]

    def __post_init__(self) -> None:
        probabilities_NC, labels_N = self.probabilities_NC, self.labels_N
        if probabilities_NC.ndim != 2 or labels_N.shape != probabilities_NC.shape[:1]:
            raise ValueError(f"probabilities of shape {probabilities_NC.shape} do not go with labels {labels_N.shape}")
        if (str(probabilities_NC.dtype), str(labels_N.dtype)) != ("float32", "int64"):
            raise ValueError(f"expected float32 and int64, not {probabilities_NC.dtype} and {labels_N.dtype}")


@dataclass(frozen=True)
class TokenPredictions:
    """The log-probabilities, in nats (float32), that a language model gives the tokens of the two held-out texts.

    An ensemble's perplexity needs no more; distributions over the whole vocabulary would take gigabytes. Raises
    ValueError for other shapes or dtypes.
    """

    validation_N: npt.NDArray[np.float32]
    test_N: npt.NDArray[np.float32]

    def __post_init__(self) -> None:
        for log_probabilities_N in (self.validation_N, self.test_N):
            if log_probabilities_N.ndim != 1 or str(log_probabilities_N.dtype) != "float32":
                raise ValueError(f"not a row of float32: {log_probabilities_N.shape}, {log_probabilities_N.dtype}")


def encode_predictions(predictions: Predictions | TokenPredictions) -> bytes:
    """The bytes of predictions.parquet.

    Columns: `probabilities` (a fixed-size list a row) and `label`; for text `split` and `log_probability`.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if isinstance(predictions, TokenPredictions):
        splits = {"validation": predictions.validation_N, "test": predictions.test_N}
        table = pa.table(
            {
                "split": pa.array([name for name, part_N in splits.items() for _ in part_N], pa.string()),
                "log_probability": pa.chunked_array([pa.array(part_N) for part_N in splits.values()]),
            }
        )
    else:
        probabilities_NC = predictions.probabilities_NC
        rows = pa.FixedSizeListArray.from_arrays(pa.array(probabilities_NC.reshape(-1)), probabilities_NC.shape[1])
        table = pa.table({"probabilities": rows, "label": pa.array(predictions.labels_N)})
    sink = pa.BufferOutputStream()
    # Probabilities hardly repeat, so a dictionary would only cost time.
    pq.write_table(table, sink, use_dictionary=[name for name in ("label", "split") if name in table.column_names])
    encoded: bytes = sink.getvalue().to_pybytes()
    return encoded


def decode_predictions(encoded: bytes) -> Predictions | TokenPredictions:
    """The predictions in the bytes of predictions.parquet, in arrays that may be written to."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    table = pq.ParquetFile(pa.BufferReader(encoded)).read(use_threads=False)
    # Copies: Arrow's memory is read-only, which torch.from_numpy warns of.
    if "split" in table.column_names:
        validation, test = (
            table.filter(pc.equal(table["split"], name))["log_probability"].to_numpy().copy()
            for name in ("validation", "test")
        )
        return TokenPredictions(validation, test)
    probabilities = table["probabilities"].combine_chunks()
    return Predictions(
        probabilities_NC=probabilities.flatten().to_numpy().reshape(-1, probabilities.type.list_size).copy(),
        labels_N=table["label"].combine_chunks().to_numpy().copy(),
    )


def encode_history(history: Sequence[EpochReport]) -> bytes:
    """The bytes of history.parquet. A missing metric is null; NaN stays NaN.

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
