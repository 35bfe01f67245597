"""The gather against torchvision's pad, crop and flip of one image at a time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision.transforms.v2 import functional

from bansweep.config.recipes import Augmentation
from bansweep.data.augmentation import Views, draw_views, epoch_order
from bansweep.data.datasets import ImageSplit
from bansweep.data.prepared import map_array
from bansweep.data.resident import ResidentImages
from bansweep.errors import DataError

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)


def _resident(images: int = 40, height: int = 9, width: int = 7, channels: int = 3) -> ResidentImages:
    generator = np.random.default_rng(0)
    # No pixel is 0, so that fill is told from image.
    images_NHWC = generator.integers(1, 256, (images, height, width, channels), dtype=np.uint8)
    split = ImageSplit(images_NHWC, generator.integers(0, 10, images))
    return ResidentImages(split, device="cpu", mean=MEAN[:channels], std=STD[:channels])


def _torchvision_view(image_KHW: torch.Tensor, views: Views, index: int) -> torch.Tensor:
    mode = "reflect" if views.fill == "reflect" else "constant"
    padded = functional.pad(image_KHW, [views.pad], padding_mode=mode, fill=0) if views.pad else image_KHW
    _, height, width = image_KHW.shape
    crop = functional.crop(padded, int(views.dy_N[index]), int(views.dx_N[index]), height, width)
    return functional.horizontal_flip(crop) if views.flip_N[index] else crop


@pytest.mark.parametrize("fill", ["reflect", "zero"])
@pytest.mark.parametrize(("pad", "channels"), [(4, 3), (6, 3), (0, 3), (3, 1)])
def test_pixels_are_those_of_torchvision(fill: str, pad: int, channels: int) -> None:
    resident = _resident(channels=channels)
    views = draw_views(Augmentation.model_validate({"pad": pad, "fill": fill}), 40, seed=0, epoch=0)
    indices_B = epoch_order(40, seed=0, epoch=0)[:32]
    pixels_BKHW = resident.pixels(indices_B, views)
    assert pixels_BKHW.dtype == torch.uint8
    for row, index in enumerate(indices_B.tolist()):
        expected = _torchvision_view(resident.images_NHWK[index].permute(2, 0, 1), views, index)
        assert torch.equal(pixels_BKHW[row], expected)


def test_every_view_of_an_image_is_that_of_torchvision() -> None:
    resident = _resident(images=162)
    numbers = torch.arange(162)
    views = Views(numbers // 2 // 9, numbers // 2 % 9, (numbers % 2).bool(), 4, "reflect")
    assert torch.equal(views.numbers, numbers)
    pixels_BKHW = resident.pixels(numbers, views)
    for index in range(162):
        expected = _torchvision_view(resident.images_NHWK[index].permute(2, 0, 1), views, index)
        assert torch.equal(pixels_BKHW[index], expected)


def test_on_a_cpu_images_stay_in_the_memory_that_they_were_mapped_to(tmp_path: Path) -> None:
    np.save(tmp_path / "images.npy", np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3), dtype=np.uint8))
    images_NHWK = map_array(tmp_path / "images.npy", copy_on_write=True)
    labels_N = np.zeros(3, dtype=np.int64)
    resident = ResidentImages(ImageSplit(images_NHWK[2:], labels_N), device="cpu", mean=(0.5,) * 3, std=(0.25,) * 3)
    assert resident.images_NHWK.data_ptr() == images_NHWK[2:].ctypes.data
    assert np.array_equal(resident.images_NHWK.numpy(), images_NHWK[2:])


def test_read_only_images_are_copied() -> None:
    images_NHWK, labels_N = np.zeros((2, 8, 8, 3), dtype=np.uint8), np.zeros(2, dtype=np.int64)
    images_NHWK.flags.writeable = False
    resident = ResidentImages(ImageSplit(images_NHWK, labels_N), device="cpu", mean=(0.5,) * 3, std=(0.25,) * 3)
    assert resident.images_NHWK.data_ptr() != images_NHWK.ctypes.data


@pytest.mark.parametrize("augmentation", [None, Augmentation(pad=2), Augmentation(pad=2, fill="zero")])
def test_batches_are_normalised_as_torchvision_does(augmentation: Augmentation | None) -> None:
    resident = _resident()
    views = draw_views(augmentation, 40, seed=0, epoch=0) if augmentation else None
    indices_B = torch.tensor([5, 3, 3, 39])
    images_BKHW, labels_B = resident.batch(indices_B, views)
    expected = functional.normalize(resident.pixels(indices_B, views).float() / 255, MEAN, STD)
    torch.testing.assert_close(images_BKHW, expected, rtol=1e-5, atol=1e-6)
    assert torch.equal(labels_B, resident.labels_N[indices_B])
    assert images_BKHW.dtype == torch.float32
    assert images_BKHW.shape == (4, 3, 9, 7)
    assert images_BKHW.is_contiguous(memory_format=torch.channels_last)


def test_without_views_images_are_as_stored() -> None:
    resident = _resident()
    assert len(resident) == 40
    assert torch.equal(resident.pixels(torch.tensor([7]), None)[0], resident.images_NHWK[7].permute(2, 0, 1))


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_any_number_of_workers_sees_the_same_images(workers: int) -> None:
    resident = _resident()
    views = draw_views(Augmentation(pad=2), 40, seed=9, epoch=4)
    order = epoch_order(40, seed=9, epoch=4)
    whole, _ = resident.batch(order, views)
    # Each worker draws views and order for itself, and takes its share of the order.
    for rank in range(workers):
        own_views = draw_views(Augmentation(pad=2), 40, seed=9, epoch=4)
        share, _ = resident.batch(epoch_order(40, seed=9, epoch=4)[rank::workers], own_views)
        assert torch.equal(share, whole[rank::workers])


def test_batches_do_not_touch_what_is_resident() -> None:
    resident = _resident()
    before = resident.images_NHWK.clone()
    images_BKHW, _ = resident.batch(torch.arange(40), None)
    images_BKHW.zero_()
    resident.pixels(torch.arange(40), draw_views(Augmentation(pad=2, fill="zero"), 40, seed=0, epoch=0))
    assert torch.equal(resident.images_NHWK, before)


def test_a_read_only_map_of_a_file_will_do() -> None:
    images_NHWC = np.ones((2, 3, 3, 1), np.uint8)
    images_NHWC.setflags(write=False)
    labels_N = np.array([0, 1])
    labels_N.setflags(write=False)
    resident = ResidentImages(ImageSplit(images_NHWC, labels_N), device="cpu", mean=(0.0,), std=(1.0,))
    images_BKHW, _ = resident.batch(torch.tensor([1]), None)
    assert images_BKHW.unique().tolist() == pytest.approx([1 / 255])


@pytest.mark.parametrize("fill", ["reflect", "zero"])
def test_padding_as_wide_as_the_image_is_refused(fill: str) -> None:
    views = draw_views(Augmentation.model_validate({"pad": 7, "fill": fill}), 40, seed=0, epoch=0)
    with pytest.raises(DataError, match=r"pad: 7 is not smaller than the images, which are 9x7"):
        _resident().batch(torch.arange(3), views)
