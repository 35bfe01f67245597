"""Predictions come back bit for bit, in the columns that other programs read."""

from __future__ import annotations

import io

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from bansweep.store.parquet_tables import Predictions, TokenPredictions, decode_predictions, encode_predictions


@given(hnp.arrays(np.float32, st.tuples(st.integers(0, 5), st.integers(1, 4)), elements=st.floats(width=32)))
@settings(deadline=None)
def test_every_bit_is_kept(probabilities_NC: np.ndarray) -> None:
    labels_N = np.arange(len(probabilities_NC), dtype=np.int64)
    decoded = decode_predictions(encode_predictions(Predictions(probabilities_NC, labels_N)))
    assert decoded.probabilities_NC.shape == probabilities_NC.shape
    assert decoded.probabilities_NC.tobytes() == probabilities_NC.tobytes()
    assert decoded.labels_N.tolist() == labels_N.tolist()
    assert decoded.probabilities_NC.flags.writeable
    assert decoded.labels_N.flags.writeable


def test_columns() -> None:
    probabilities_NC = np.array([[0.25, 0.75], [1.0, 0.0]], dtype=np.float32)
    table = pq.read_table(io.BytesIO(encode_predictions(Predictions(probabilities_NC.T.copy().T, np.array([1, 0])))))
    assert [str(field.type) for field in table.schema] == ["fixed_size_list<element: float>[2]", "int64"]
    assert table.to_pydict() == {"probabilities": [[0.25, 0.75], [1.0, 0.0]], "label": [1, 0]}


@pytest.mark.parametrize(
    ("probabilities", "labels", "message"),
    [
        (np.zeros((3, 2), np.float32), np.zeros(2, np.int64), "shape"),
        (np.zeros(3, np.float32), np.zeros(3, np.int64), "shape"),
        (np.zeros((3, 2), np.float64), np.zeros(3, np.int64), "float64"),
        (np.zeros((3, 2), np.float32), np.zeros(3, np.int32), "int32"),
    ],
)
def test_other_shapes_and_dtypes_are_refused(probabilities: np.ndarray, labels: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Predictions(probabilities, labels)


@given(*[hnp.arrays(np.float32, st.integers(0, 9), elements=st.floats(width=32))] * 2)
@settings(deadline=None)
def test_every_bit_of_a_texts_tokens_is_kept(validation_N: np.ndarray, test_N: np.ndarray) -> None:
    decoded = decode_predictions(encode_predictions(TokenPredictions(validation_N, test_N)))
    assert isinstance(decoded, TokenPredictions)
    assert decoded.validation_N.tobytes() == validation_N.tobytes()
    assert decoded.test_N.tobytes() == test_N.tobytes()
    assert decoded.test_N.flags.writeable


def test_a_texts_columns() -> None:
    tokens = TokenPredictions(np.array([-1, -2], dtype=np.float32), np.array([-3], dtype=np.float32))
    table = pq.read_table(io.BytesIO(encode_predictions(tokens)))
    assert table.to_pydict() == {"split": ["validation", "validation", "test"], "log_probability": [-1, -2, -3]}


def test_a_texts_tokens_are_a_row_of_float32() -> None:
    row = np.zeros(3, dtype=np.float32)
    for wrong in (row[None], row.astype(np.float64)):
        with pytest.raises(ValueError, match="not a row of float32"):
            TokenPredictions(row, wrong)
