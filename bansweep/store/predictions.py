"""predictions.parquet: what a generation answers on the test split, so that ensembles and reports need no GPU."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

# pyarrow is imported inside the functions: `bansweep plan` loads this module and must start at once.


@dataclass(frozen=True)
class Predictions:
    """Class probabilities (float32, N x C) and labels (int64, N) of the test split, in the data set's order.

    Raises ValueError where shapes or dtypes are others.
    """

    probabilities_NC: npt.NDArray[np.float32]
    labels_N: npt.NDArray[np.int64]

    def __post_init__(self) -> None:
        probabilities_NC, labels_N = self.probabilities_NC, self.labels_N
        if probabilities_NC.ndim != 2 or labels_N.shape != probabilities_NC.shape[:1]:
            raise ValueError(f"probabilities of shape {probabilities_NC.shape} do not go with labels {labels_N.shape}")
        if (str(probabilities_NC.dtype), str(labels_N.dtype)) != ("float32", "int64"):
            raise ValueError(f"expected float32 and int64, not {probabilities_NC.dtype} and {labels_N.dtype}")


def encode_predictions(predictions: Predictions) -> bytes:
    """The bytes of predictions.parquet: columns `probabilities` (a fixed-size list a row) and `label`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    probabilities_NC = predictions.probabilities_NC
    table = pa.table(
        {
            "probabilities": pa.FixedSizeListArray.from_arrays(
                pa.array(probabilities_NC.reshape(-1)), probabilities_NC.shape[1]
            ),
            "label": pa.array(predictions.labels_N),
        }
    )
    sink = pa.BufferOutputStream()
    # Probabilities hardly repeat: a dictionary would only cost time.
    pq.write_table(table, sink, use_dictionary=["label"])
    encoded: bytes = sink.getvalue().to_pybytes()
    return encoded


def decode_predictions(encoded: bytes) -> Predictions:
    """The predictions in the bytes of predictions.parquet, in arrays that may be written to."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.ParquetFile(pa.BufferReader(encoded)).read()
    probabilities = table["probabilities"].combine_chunks()
    # Arrow's memory is read-only, which torch.from_numpy warns of: hence copies.
    return Predictions(
        probabilities_NC=probabilities.flatten().to_numpy().reshape(-1, probabilities.type.list_size).copy(),
        labels_N=table["label"].combine_chunks().to_numpy().copy(),
    )
