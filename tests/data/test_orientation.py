"""Images are learnt as viewers show them: turned by their EXIF orientation."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from bansweep.config.data import ImageFolder, ParquetImages
from bansweep.data.decoded import Pixels
from bansweep.data.fingerprint import source_fingerprints
from bansweep.data.prepare import decode_images
from bansweep.data.sources.image_bytes import is_turned
from bansweep.data.sources.image_folder import decode_image
from bansweep.errors import DataError

# Blocks of 8x8 equal pixels, so that JPEG changes none of them by more than a few levels.
IMAGE = np.kron(np.array([[0, 50, 100], [150, 200, 250]], np.uint8), np.ones((8, 8), np.uint8))[..., None]
ORIENTATION = 0x0112


def shown(stored: Pixels, orientation: int) -> Pixels:
    """The image as EXIF defines it: where the stored row 0 and column 0 belong (JEITA CP-3451, section 4.6.4)."""
    row_0_is, column_0_is = {
        1: ("top", "left"),
        2: ("top", "right"),
        3: ("bottom", "right"),
        4: ("bottom", "left"),
        5: ("left", "top"),
        6: ("right", "top"),
        7: ("right", "bottom"),
        8: ("left", "bottom"),
    }[orientation]
    image = stored
    if row_0_is in ("left", "right"):
        image = image.transpose(1, 0, 2)
        row_0_is, column_0_is = column_0_is, row_0_is
    if row_0_is == "bottom":
        image = image[::-1]
    if column_0_is == "right":
        image = image[:, ::-1]
    return image


def encoded(stored: Pixels, orientation: int | None, kind: str = "PNG") -> bytes:
    buffer, exif = io.BytesIO(), Image.Exif()
    if orientation is not None:
        exif[ORIENTATION] = orientation
    options = {"lossless": True} if kind == "WEBP" else {"quality": 95} if kind == "JPEG" else {}
    image = Image.fromarray(np.ascontiguousarray(stored.squeeze()))
    image.save(buffer, kind, exif=exif.tobytes() if orientation is not None else b"", **options)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_image_is_turned_as_its_tag_says(kind: str, orientation: int) -> None:
    content = encoded(IMAGE, orientation, kind)
    pixels = decode_image(content, "image")[..., :1]
    assert pixels.shape == shown(IMAGE, orientation).shape
    assert np.abs(pixels.astype(int) - shown(IMAGE, orientation)).max() <= 6
    assert is_turned(content) == (orientation != 1)


@pytest.mark.parametrize("orientation", [None, 0, 1, 9, 65535])
def test_an_image_without_a_valid_tag_is_taken_as_it_is_stored(orientation: int | None) -> None:
    content = encoded(IMAGE, orientation)
    assert np.array_equal(decode_image(content, "image"), IMAGE)
    assert not is_turned(content)


def test_an_orientation_in_xmp_counts() -> None:
    info = PngInfo()
    info.add_itxt("XML:com.adobe.xmp", '<x tiff:Orientation="6"/>', zip=True)
    buffer = io.BytesIO()
    Image.fromarray(IMAGE.squeeze()).save(buffer, "PNG", pnginfo=info)
    assert np.array_equal(decode_image(buffer.getvalue(), "image"), shown(IMAGE, 6))
    assert is_turned(buffer.getvalue())


def test_an_orientation_in_the_xmp_of_webp_counts() -> None:
    buffer = io.BytesIO()
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><x tiff:Orientation="6"/></x:xmpmeta>'
    Image.fromarray(IMAGE.squeeze()).save(buffer, "WEBP", lossless=True, xmp=xmp)
    assert is_turned(buffer.getvalue())


def test_damaged_metadata_cost_no_image() -> None:
    content = bytearray(encoded(IMAGE, 6, "JPEG"))
    start = content.index(b"Exif\0\0") + 6
    length = int.from_bytes(content[start - 8 : start - 6], "big") - 8
    for at in range(start, start + length):
        for value in (0, 1, 0x7F, 0xFF):
            damaged = bytes(content[:at]) + bytes([value]) + bytes(content[at + 1 :])
            pixels = decode_image(damaged, "image")
            # It is turned in some way or not at all, by the same reading of the tag in both places.
            assert is_turned(damaged) == (not np.array_equal(pixels, decode_image(_untagged(damaged), "image")))


def _untagged(content: bytes) -> bytes:
    return content.replace(b"Exif\0\0", b"none\0\0")


def test_a_turned_image_fits_where_its_upright_copy_does(image_folder: Path) -> None:
    path = image_folder / "train" / "cat" / "0.png"
    upright = np.asarray(Image.open(path))
    expected = decode_images(ImageFolder(root=image_folder), image_folder)
    path.write_bytes(encoded(upright.transpose(1, 0, 2), 5))
    turned = decode_images(ImageFolder(root=image_folder), image_folder)
    assert np.array_equal(turned.train_images_NHWC, expected.train_images_NHWC)
    path.write_bytes(encoded(upright, 5))
    with pytest.raises(DataError, match=r"0\.png is 5x6 RGB|0\.png: the image is 5x6 RGB"):
        decode_images(ImageFolder(root=image_folder), image_folder)


def test_only_sets_with_turned_images_have_another_fingerprint(image_folder: Path, tmp_path: Path) -> None:
    """An image that was learnt as it is stored, and now is turned, must not be found under the former id."""
    from bansweep.data.cache import file_digest
    from bansweep.data.fingerprint import _digest

    path = image_folder / "train" / "cat" / "0.png"
    for orientation, changes in ((None, False), (1, False), (6, True)):
        path.write_bytes(encoded(np.asarray(Image.open(path)), orientation))
        digests = {file.relative_to(image_folder).as_posix(): file_digest(file) for file in image_folder.rglob("*.png")}
        former = _digest({"kind": "folder", "files": digests})
        assert (source_fingerprints(ImageFolder(root=image_folder), tmp_path / "cache")[0] != former) == changes


def test_turned_images_in_parquet(tmp_path: Path, write_parquet: object) -> None:
    assert callable(write_parquet)
    square = IMAGE[:16, :16]
    images = [square, square[::-1], square[:, ::-1], square[::-1, ::-1]]
    rows = {index: encoded(image, 8) for index, image in enumerate(images)}
    plain = write_parquet(tmp_path / "plain.parquet", images, [0, 1, 0, 1])
    turned = write_parquet(tmp_path / "turned.parquet", images, [0, 1, 0, 1], rows=rows)
    upright = write_parquet(tmp_path / "upright.parquet", [shown(image, 8) for image in images], [0, 1, 0, 1])
    one, other = (decode_images(ParquetImages(train=path, test=path), tmp_path) for path in (turned, upright))
    assert np.array_equal(one.train_images_NHWC, other.train_images_NHWC)
    assert np.array_equal(one.train_labels_N, other.train_labels_N)
    # Learnt as it is stored, it must not be found under the former id, which is that of the file's bytes.
    from bansweep.data.cache import file_digest
    from bansweep.data.fingerprint import _digest

    for path, changes in ((plain, False), (upright, False), (turned, True)):
        spec = ParquetImages(train=path, test=path)
        digests = {"train": [file_digest(path)], "test": [file_digest(path)]}
        former = _digest({"kind": spec.kind, "image": spec.image, "label": spec.label, **digests})
        assert (source_fingerprints(spec, tmp_path / "cache")[0] != former) == changes
    assert not np.array_equal(
        one.train_images_NHWC, decode_images(ParquetImages(train=plain, test=plain), tmp_path).train_images_NHWC
    )
