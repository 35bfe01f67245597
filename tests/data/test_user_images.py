"""Images that a function of the user's own returns."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from bansweep.config.data import UserImages
from bansweep.config.user_code import UserCode
from bansweep.data.datasets import load_images
from bansweep.data.fingerprint import data_identities, data_identity
from bansweep.data.prepare import prepare
from bansweep.errors import DataError

CODE = """\
import numpy as np

def made(number=12, **changes):
    labels = np.arange(number) % 3
    pixels = np.zeros((number, 8, 8), dtype=np.uint8) + 40 * labels[:, None, None].astype(np.uint8)
    given = {"train_images": pixels, "train_labels": labels, "test_images": pixels[:6], "test_labels": labels[:6]}
    for key, value in changes.items():
        given[key] = eval(value)
    return given

def nothing():
    return None

def part():
    return {"train_images": 1}

def fails():
    return np.zeros(3)[7]
"""


def spec(name: str = "made", text: str = CODE, limit: int | None = None, **arguments: object) -> UserImages:
    return UserImages(code=UserCode(file="mine.py", name=name, text=text), arguments=arguments, limit=limit)


def test_it_is_prepared_and_loaded_like_any_other_set(tmp_path: Path) -> None:
    one = spec(limit=9)
    images = load_images(one, prepare(one, tmp_path))
    assert images.input_shape == (1, 8, 8)
    assert images.classes == ("0", "1", "2")
    assert (len(images.train), len(images.test)) == (9, 6)
    # Whatever their order now, an image still has its label.
    for split in (images.train, images.test):
        assert np.array_equal(np.asarray(split.images_NHWC)[:, 0, 0, 0], 40 * np.asarray(split.labels_N))


def test_its_identity_is_its_text_its_name_and_its_arguments(tmp_path: Path) -> None:
    def fingerprint(one: UserImages) -> str:
        return data_identity(one, tmp_path).fingerprint

    moved = UserImages(code=UserCode(file="elsewhere/mine.py", name="made", text=CODE))
    assert fingerprint(spec()) == fingerprint(moved) == fingerprint(spec(limit=5))
    others = [spec(text=CODE + "\n"), spec("nothing"), spec(number=15)]
    assert len({fingerprint(one) for one in (spec(), *others)}) == 4


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (spec("nothing"), "has to return a mapping with train_images, .*, not NoneType"),
        (spec("part"), "not one without train_labels, test_images, test_labels"),
        (spec("fails"), r"mine\.py, line 18, in fails: IndexError"),
        (spec(train_images="pixels / 255"), "returned train_images of type float64 and shape"),
        (spec(train_images="pixels[0]"), r"of type uint8 and shape \(8, 8\)"),
        (spec(test_images="pixels[:0]"), r"test_images of type uint8 and shape \(0, 8, 8\)"),
        (spec(test_images="pixels[:6, :7]"), r"images of \(8, 8, 1\) for training and of \(7, 8, 1\) for testing"),
        (spec(train_labels="labels[:3]"), "train_labels of type int64 and shape .*: one whole number for each image"),
        (spec(train_labels="labels * 0.5"), "train_labels of type float64"),
        (spec(train_labels="labels - 1"), "train_labels from -1 to 1"),
        (spec(test_labels="labels[:6] + 7"), "test_labels from 7 to 9, and 3 classes count from 0"),
        (spec(classes="['a', 'b', 'a']"), "classes of which two have one name"),
        (spec(train_labels="labels * 0", classes="['a', 'b', 'c']"), r"mine\.py:made: all 12 .* of one class, 'a'"),
        (spec(classes="['a', 'b']"), "train_labels from 0 to 2, and 2 classes"),
    ],
)
def test_what_is_no_data_set_is_told(one: UserImages, said: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=said):
        prepare(one, tmp_path)


def test_its_size_is_never_known_so_that_limits_stay_in_its_identity(tmp_path: Path) -> None:
    """Else the same file would have another id before its set is made, or on a machine that has not made it."""
    limited = spec(limit=12).model_copy(update={"test_limit": 6})
    before = data_identities(limited, tmp_path)
    prepare(limited, tmp_path)
    assert data_identities(limited, tmp_path) == before
    assert [(one.limit, one.test_limit) for one in before] == [(12, 6)]


def test_a_negative_zero_among_its_arguments_is_zero(tmp_path: Path) -> None:
    text = CODE + "\ndef signed(zero):\n    assert str(zero) == '0.0', zero\n    return made()\n"
    negative, zero = spec("signed", text, zero=-0.0), spec("signed", text, zero=0.0)
    first, *former = data_identities(negative, tmp_path)
    assert [first] == [*data_identities(zero, tmp_path)]
    # The version before distinguished them: what it has prepared and trained is found under the former fingerprint.
    digest = hashlib.sha256(
        json.dumps(
            {"arguments": {"zero": -0.0}, "kind": "python", "name": "signed", "text": text},
            sort_keys=True,
            separators=(",", ":"),
        ).encode()
    ).hexdigest()
    assert [one.fingerprint for one in former] == [digest]
    assert prepare(negative, tmp_path).name == first.fingerprint
    assert prepare(negative, tmp_path, known_as=digest).name == digest
    with pytest.raises(DataError, match="not the one that this sweep was planned with"):
        prepare(negative, tmp_path, known_as="0" * 64)
