"""A split held on the device as bytes; a batch, augmented or not, is one gather from it.

Shape suffixes: N images of the split, B images of a batch, K channels, H and W pixels, D vertical or horizontal shifts
of a crop, F horizontal ones, flipped and not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from numpy.typing import NDArray

from bansweep.data.augmentation import Views
from bansweep.data.datasets import ImageSplit, check_pad


class ResidentImages:
    """All images of a split on `device`, as uint8: 150 MB for CIFAR's training set.

    On a CPU they are not copied, so that all processes that map one file share its memory. `mean` and `std` are those
    of the channels, in [0, 1].
    """

    def __init__(
        self, split: ImageSplit, *, device: torch.device | str, mean: Sequence[float], std: Sequence[float]
    ) -> None:
        self.images_NHWK = _tensor(split.images_NHWC).to(device)
        self.labels_N = _tensor(split.labels_N).to(device)
        # (pixel / 255 - mean) / std as one multiplication and one addition. The constants are repeated along a row of
        # pixels, whose channels lie interleaved: on a CPU that is five times faster than broadcasting three values.
        _, _, width, _ = self.images_NHWK.shape
        mean_K, std_K = torch.tensor(mean, dtype=torch.float64), torch.tensor(std, dtype=torch.float64)
        self._scale_WK = (1 / (255 * std_K)).float().repeat(width).to(device)
        self._shift_WK = (-mean_K / std_K).float().repeat(width).to(device)
        self._last_crops: _Crops | None = None

    def __len__(self) -> int:
        return len(self.labels_N)

    @property
    def device(self) -> torch.device:
        return self.images_NHWK.device

    def batch(self, indices_B: torch.Tensor, views: Views | None) -> tuple[torch.Tensor, torch.Tensor]:
        """Images (B, K, H, W), float32, normalised, in channels_last memory format; and labels (B,), int64.

        `views`: those of the whole split, as `draw_views` yields them, or None for the images as they are. Indices and
        views on another device are copied in each call: on a GPU, copy an epoch's once (`to_device`, `views.to`).
        Raises DataError if the padding is not smaller than the image.
        """
        pixels_BHWK = self._gather(indices_B, views)
        rows_BHX = pixels_BHWK.flatten(2).float().mul_(self._scale_WK).add_(self._shift_WK)
        images_BKHW = rows_BHX.view(pixels_BHWK.shape).permute(0, 3, 1, 2)
        return images_BKHW, self.labels_N[indices_B.to(self.device)]

    def pixels(self, indices_B: torch.Tensor, views: Views | None) -> torch.Tensor:
        """The images of `batch` before normalisation: uint8, (B, K, H, W), channels_last.

        Zero fill is black (the raw pixel 0), as in torchvision's RandomCrop(padding=...) ahead of its Normalize. With
        reflection, which is the Wide-ResNet code's choice, padding before or after normalisation is the same.
        """
        return self._gather(indices_B, views).permute(0, 3, 1, 2)

    def _gather(self, indices_B: torch.Tensor, views: Views | None) -> torch.Tensor:
        if views is None:
            return self.images_NHWK.index_select(0, indices_B.to(self.device))
        _, height, width, _ = self.images_NHWK.shape
        check_pad(views.pad, height, width)
        chosen_B = indices_B.to(views.flip_N.device)
        dy_B, dx_B, flip_B = (values_N[chosen_B].to(self.device) for values_N in (views.dy_N, views.dx_N, views.flip_N))
        crops = self._crops(views.pad, views.fill)
        columns_B = 2 * dx_B + flip_B
        pixels_BHWK = self._pixels_at(indices_B, crops.rows_DH[dy_B], crops.columns_FW[columns_B])
        if views.fill == "zero":
            inside_BHW = crops.inside_DH[dy_B][:, :, None] & crops.inside_FW[columns_B][:, None, :]
            pixels_BHWK.mul_(inside_BHW[..., None])
        return pixels_BHWK

    def _crops(self, pad: int, fill: str) -> _Crops:
        if self._last_crops is None or (self._last_crops.pad, self._last_crops.fill) != (pad, fill):
            _, height, width, _ = self.images_NHWK.shape
            self._last_crops = _Crops.of(pad, fill, height, width, self.device)
        return self._last_crops

    def _pixels_at(self, indices_B: torch.Tensor, rows_BH: torch.Tensor, columns_BW: torch.Tensor) -> torch.Tensor:
        # Pixels counted through all images, so that one index finds each: a quarter of the time of indexing by three.
        images, height, width, channels = self.images_NHWK.shape
        first_BH = (indices_B.to(self.device)[:, None] * height + rows_BH) * width
        positions_BHW = first_BH[:, :, None] + columns_BW[:, None, :]
        pixels = self.images_NHWK.view(images * height * width, channels)
        return pixels.index_select(0, positions_BHW.flatten()).view(*positions_BHW.shape, channels)


@dataclass(frozen=True)
class _Crops:
    """The rows and columns of an image that each crop of the padded image shows, computed once for all batches.

    `rows_DH` is indexed by the crop's dy, `columns_FW` by twice its dx, plus 1 where it is flipped. `inside_*` is False
    where the crop reaches into the padding: with reflection, rows and columns there are the mirrored ones; with zero
    fill, they are any valid ones.
    """

    pad: int
    fill: str
    rows_DH: torch.Tensor
    columns_FW: torch.Tensor
    inside_DH: torch.Tensor
    inside_FW: torch.Tensor

    @classmethod
    def of(cls, pad: int, fill: str, height: int, width: int, device: torch.device) -> _Crops:
        # Negative or too large where the crop reaches into the padding.
        shifts_D = torch.arange(2 * pad + 1, device=device) - pad
        rows_DH = shifts_D[:, None] + torch.arange(height, device=device)
        columns_DW = shifts_D[:, None] + torch.arange(width, device=device)
        columns_FW = torch.stack([columns_DW, columns_DW.flip(1)], dim=1).flatten(0, 1)
        nearest = _reflected if fill == "reflect" else _clamped
        return cls(
            pad,
            fill,
            nearest(rows_DH, height),
            nearest(columns_FW, width),
            _inside(rows_DH, height),
            _inside(columns_FW, width),
        )


def _tensor(array: NDArray[Any]) -> torch.Tensor:
    """The array's own memory as a tensor; a copy where it is read-only, which tensors cannot be."""
    return torch.from_numpy(array) if array.flags.writeable else torch.tensor(array)


def _reflected(positions: torch.Tensor, size: int) -> torch.Tensor:
    """Positions outside [0, size) mirrored at the border pixel, which is not repeated."""
    return (size - 1) - ((size - 1) - positions.abs()).abs()


def _clamped(positions: torch.Tensor, size: int) -> torch.Tensor:
    return positions.clamp(0, size - 1)


def _inside(positions: torch.Tensor, size: int) -> torch.Tensor:
    return (positions >= 0) & (positions < size)
