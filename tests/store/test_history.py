"""Histories come back bit for bit, from history.parquet and from progress alike."""

from __future__ import annotations

import io
import math
import struct
import tempfile
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bansweep.graph.results import EpochReport
from bansweep.store.local_path import LocalPath
from bansweep.store.parquet_tables import decode_history, encode_history
from bansweep.store.progress import Progress, load_progress, save_progress

REPORTS = st.builds(
    EpochReport,
    epoch=st.integers(1, 10**6),
    epochs=st.integers(1, 10**6),
    seconds=st.floats(),
    finished_at=st.floats(),
    metrics=st.dictionaries(st.sampled_from(["train_loss", "test_error", "learning rate", "größe", ""]), st.floats()),
    system=st.dictionaries(st.sampled_from(["process_cpu_percentage", "memory", ""]), st.floats()),
)
HISTORIES = st.lists(REPORTS, max_size=6).map(tuple)


def bits(number: float, *, any_nan: bool) -> bytes:
    return b"nan" if any_nan and math.isnan(number) else struct.pack("<d", number)


def as_bits(history: tuple[EpochReport, ...], *, any_nan: bool = False) -> list[object]:
    return [
        (
            report.epoch,
            report.epochs,
            bits(report.seconds, any_nan=any_nan),
            bits(report.finished_at, any_nan=any_nan),
            {name: bits(value, any_nan=any_nan) for name, value in report.metrics.items()},
            {name: bits(value, any_nan=any_nan) for name, value in report.system.items()},
        )
        for report in history
    ]


@given(HISTORIES)
@settings(deadline=None)
def test_parquet_keeps_every_bit(history: tuple[EpochReport, ...]) -> None:
    assert as_bits(decode_history(encode_history(history))) == as_bits(history)


@given(HISTORIES)
@settings(deadline=None, max_examples=50)
def test_progress_keeps_every_number(history: tuple[EpochReport, ...]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        save_progress(LocalPath(Path(folder) / "progress"), Progress(3, b"tensors", history))
        loaded = load_progress(LocalPath(Path(folder) / "progress"))
    assert loaded is not None
    # JSON has one NaN, so its payload bits are not kept; everything else is.
    assert as_bits(loaded.history, any_nan=True) == as_bits(history, any_nan=True)


def test_a_row_an_epoch_and_a_column_a_metric() -> None:
    encoded = encode_history(
        (
            EpochReport(1, 2, 0.5, 10.0, {"train_loss": 2.5}, {"process_cpu_percentage": 99.5}),
            EpochReport(2, 2, 0.25, 11.0, {"test_error": math.nan}),
        )
    )
    table = pq.read_table(io.BytesIO(encoded))
    assert {field.name: str(field.type) for field in table.schema} == {
        "epoch": "int64",
        "epochs": "int64",
        "seconds": "double",
        "finished_at": "double",
        "train_loss": "double",
        "test_error": "double",
        "system/process_cpu_percentage": "double",
    }
    assert table["system/process_cpu_percentage"].to_pylist() == [99.5, None]
    assert table["epoch"].to_pylist() == [1, 2]
    assert table["train_loss"].to_pylist() == [2.5, None]
    assert table["test_error"].null_count == 1


def test_a_metric_cannot_take_a_columns_name() -> None:
    with pytest.raises(ValueError, match="finished_at"):
        encode_history([EpochReport(1, 1, 0.5, 10.0, {"finished_at": 1.0})])
