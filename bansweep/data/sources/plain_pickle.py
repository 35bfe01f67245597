"""Reading a pickle that holds plain data: arrays, lists, dictionaries, bytes, strings and numbers, and nothing else.

A pickle names functions, which are called when it is read. Here it may name those only that a NumPy array is rebuilt
with; the first other name ends the reading before anything is called.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy._core.multiarray import _reconstruct


def load_plain_pickle(encoded: bytes) -> Any:
    """The value in a pickle of Python 2 or 3; Python 2's strings are read as Latin-1.

    Raises UnpicklingError where it names anything else, is cut short or damaged.
    """
    try:
        return _PlainUnpickler(io.BytesIO(encoded), encoding="latin1").load()
    except pickle.UnpicklingError:
        raise
    except Exception as error:  # damaged pickles fail in every way that there is
        raise pickle.UnpicklingError(f"{type(error).__name__}: {error}") from None


def _latin1_bytes(text: str, encoding: str) -> bytes:
    """How Python 3 writes bytes for Python 2."""
    if not isinstance(text, str) or encoding != "latin1":
        raise pickle.UnpicklingError(f"the encoding {encoding!r} is not accepted")
    return text.encode("latin1")


def _plain_array(kind: object, shape: tuple[int, ...], dtype: Any) -> object:
    """An array to be filled by the pickle; of no subclass."""
    if kind is not np.ndarray:
        raise pickle.UnpicklingError(f"{kind!r} is no plain array")
    return _reconstruct(np.ndarray, shape, dtype)


_ACCEPTED: Mapping[tuple[str, str], Callable[..., object]] = {
    ("numpy.core.multiarray", "_reconstruct"): _plain_array,
    ("numpy._core.multiarray", "_reconstruct"): _plain_array,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("_codecs", "encode"): _latin1_bytes,
}


class _PlainUnpickler(pickle.Unpickler):
    def find_class(self, module_name: str, global_name: str, /) -> Any:
        try:
            return _ACCEPTED[module_name, global_name]
        except KeyError:
            raise pickle.UnpicklingError(f"it names {module_name}.{global_name}, which is no plain data") from None
