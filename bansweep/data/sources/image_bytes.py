"""Facts about an image file without decoding it: its orientation tag, and whether it is only a Git LFS pointer.

Planning reads every file. So nothing is decoded, and Pillow is imported only for images that have metadata.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

# Formats that are nothing but pixels: Pillow would start an interpreter for some of the others.
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "PPM")
LARGEST_FILE_BYTES = 1 << 30
UPRIGHT = 1
_TURNED = range(2, 9)
# By the first bytes of each format: markers of the metadata that may hold an orientation. BMP and PPM have none.
_METADATA = {
    b"\xff\xd8": (b"Exif", b"adobe.com/xap"),
    b"\x89PNG": (b"eXIf", b"type exif", b"adobe.xmp"),
    b"RIFF": (b"EXIF", b"XMP "),
}
_LFS_POINTER = b"version https://git-lfs.github.com/spec/"


def is_lfs_pointer(content: bytes) -> bool:
    """Whether these first bytes of a file are a Git LFS pointer: its content has not been fetched."""
    return content.startswith(_LFS_POINTER)


@contextlib.contextmanager
def opened_image(encoded: bytes) -> Iterator[Image]:
    """The image with its header read. Pillow's errors for damaged files are raised; damaged metadata are ignored."""
    from PIL import Image

    with warnings.catch_warnings():
        # It warns of metadata that it cannot read. Only the orientation among them is used here.
        warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.TiffImagePlugin")
        with Image.open(io.BytesIO(encoded), formats=FORMATS) as image:
            yield image


def orientation(image: Image) -> int:
    """The EXIF orientation, 1..8, of an open image; 1 (upright) where the tag is missing, damaged or out of range."""
    try:
        value = image.getexif().get(0x0112, UPRIGHT)
    except Exception:  # damaged metadata raise many types, and are no reason to reject an image
        return UPRIGHT
    return value if isinstance(value, int) and value in _TURNED else UPRIGHT


def is_turned(encoded: bytes) -> bool:
    """Whether an encoded image is stored turned or mirrored, and a tag says how to show it. Never fails."""
    names = next((names for start, names in _METADATA.items() if encoded.startswith(start)), ())
    if not any(name in encoded for name in names):
        return False
    try:
        with opened_image(encoded) as image:
            return orientation(image) != UPRIGHT
    except Exception:  # decoding reports files that are no images
        return False
