"""Networks in the form in which they leave: with nothing left that their user would have to know.

Shape suffixes: B images or streams, K channels, H W pixels, C classes, T time steps, V words, E features of a word,
L layers, U units.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from bansweep.networks.language_model import LanguageModel


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
    """A language model whose LSTM's state goes in and comes out, and whose words are rows of a table.

    What a trained model makes of a word never depends on the words around it, however it reads it. So the features of
    all words are computed once, and a model that reads characters leaves as one that looks words up.
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
