"""A network as an ONNX file, for runtimes without PyTorch and bansweep.

Shape suffixes: B images or streams, K channels, H W pixels, C classes, T time steps, V words, E features of a word,
L layers, U units.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.export import Dim

from bansweep.errors import RequestError
from bansweep.export.inputs import ImageInput, TextInput
from bansweep.formatting import size_text
from bansweep.networks.language_model import LanguageModel

ONNX_FILE = "model.onnx"
_PACKAGES = ("onnx", "onnxscript")
# Protocol buffers are limited to 2 GiB.
_LARGEST_BYTES = 2_000_000_000


def check_onnx_installed() -> None:
    """Raises RequestError where the packages that PyTorch's exporter needs are not installed."""
    missing = [name for name in _PACKAGES if find_spec(name) is None]
    if missing:
        raise RequestError(
            f"ONNX needs {' and '.join(missing)}, which {'are' if len(missing) > 1 else 'is'} not installed",
            remedy="pip install 'bansweep[onnx]', or export with --format torch",
        )


def write_onnx(path: Path, network: nn.Module, inputs: ImageInput | TextInput) -> None:
    """Write a network, in evaluation mode and on the CPU, to `path`.

    An image network takes `pixels`, float32 in [0, 1] (the file contains the normalisation), (B, channels, height,
    width), and gives `logits` (B, classes). A language model takes `tokens`, int64 (T, B), and the state before them,
    `hidden` and `cell`, float32 (layers, B, units), zeros at a text's beginning; it gives `logits` (T, B, words) and
    the state after them, `hidden_after` and `cell_after`. B and T are free. Raises RequestError where the packages are
    missing or the network is too large, OSError where the file cannot be written.
    """
    check_onnx_installed()
    # Example inputs with two of everything: the exporter treats a size of 1 as constant.
    if isinstance(inputs, ImageInput):
        _write(
            path,
            PixelClassifier(network, inputs.mean, inputs.std),
            (torch.zeros(2, *inputs.shape),),
            names=(["pixels"], ["logits"]),
            free=({0: Dim("batch")},),
        )
        return
    assert isinstance(network, LanguageModel)
    hidden_LBU, cell_LBU = network.initial_state(2)
    streams = Dim("streams")
    _write(
        path,
        StatefulLanguageModel(network),
        (torch.zeros(3, 2, dtype=torch.int64), hidden_LBU, cell_LBU),
        names=(["tokens", "hidden", "cell"], ["logits", "hidden_after", "cell_after"]),
        free=({0: Dim("steps"), 1: streams}, {1: streams}, {1: streams}),
    )


def _write(
    path: Path,
    module: nn.Module,
    example: tuple[Tensor, ...],
    *,
    names: tuple[list[str], list[str]],
    free: tuple[dict[int, Dim], ...],
) -> None:
    size = sum(tensor.numel() * tensor.element_size() for tensor in module.state_dict().values())
    if size > _LARGEST_BYTES:
        raise RequestError(
            f"the network's weights are {size_text(size)}; one ONNX file holds {size_text(_LARGEST_BYTES)}",
            remedy="export with --format torch",
        )
    with torch.no_grad(), warnings.catch_warnings():
        # PyTorch warns of how its LSTM stores weights, and of deprecations within its exporter.
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            module.eval(),
            example,
            input_names=names[0],
            output_names=names[1],
            dynamic_shapes=free,
            dynamo=True,
            verbose=False,
        )
        assert program is not None, "what is exported to no file is returned"
        program.save(path, external_data=False)


class PixelClassifier(nn.Module):
    """A network that takes pixels in [0, 1], (B, K, H, W), and normalises them as its training did."""

    scale_K11: Tensor
    shift_K11: Tensor

    def __init__(self, network: nn.Module, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.network = network
        # (pixel - mean) / std as one multiplication and one addition, as in `data/resident.py`.
        mean_K, std_K = torch.tensor(mean, dtype=torch.float64), torch.tensor(std, dtype=torch.float64)
        self.register_buffer("scale_K11", (1 / std_K).float()[:, None, None])
        self.register_buffer("shift_K11", (-mean_K / std_K).float()[:, None, None])

    def forward(self, pixels_BKHW: Tensor) -> Tensor:
        """Logits (B, C)."""
        logits_BC: Tensor = self.network(pixels_BKHW * self.scale_K11 + self.shift_K11)
        return logits_BC


class StatefulLanguageModel(nn.Module):
    """A language model with the LSTM's state as input and output, and with a table of the features of all words.

    A trained model's features of a word do not depend on other words. So they are computed once for all words, and a
    model that reads characters is exported as one that looks words up.
    """

    features_VE: Tensor

    def __init__(self, model: LanguageModel) -> None:
        super().__init__()
        self.model = model
        with torch.no_grad():
            features_V1E = model.embed(torch.arange(model.vocabulary_size)[:, None])
        self.register_buffer("features_VE", features_V1E[:, 0].clone())

    def forward(self, tokens_TB: Tensor, hidden_LBU: Tensor, cell_LBU: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits (T, B, V) of the word after each token, and hidden state and cell after the last one."""
        output = nn.functional.embedding(tokens_TB, self.features_VE)
        hidden, cell = [], []
        for number, layer in enumerate(self.model.layers):
            output, (hidden_1BU, cell_1BU) = layer(output, (hidden_LBU[number, None], cell_LBU[number, None]))
            hidden.append(hidden_1BU)
            cell.append(cell_1BU)
        return self.model.decode(output), torch.cat(hidden), torch.cat(cell)
