"""Files and folders that no data set is made of: an error that names the place and says what to do."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from patience import PROCESS_S
from PIL import Image
from planted import link_to_endless_zeros, named_pipe, put

from bansweep.config.data import Cifar, DataSpec, Digits, ImageFolder, ParquetImages, PennTreebank, TextFiles, WikiText2
from bansweep.data.cache import SETTLED_NS
from bansweep.data.datasets import load_images
from bansweep.data.fingerprint import data_identity
from bansweep.data.prepare import decode_images, decode_text, prepare
from bansweep.data.prepared import map_array
from bansweep.data.sources.image_folder import decode_image, stack_images
from bansweep.errors import DataError

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 5, 4, 3), dtype=np.uint8)
LABELS = [0, 1, 2, 0, 1, 2]


def paths_at(path: Path) -> list[DataSpec]:
    """Every kind of data that has paths, at this one."""
    return [
        ImageFolder(root=path),
        ParquetImages(train=path, test=path),
        TextFiles(train=path, validation=path, test=path),
        WikiText2(root=path),
    ]


def refused(spec: DataSpec, cache: Path) -> DataError:
    with pytest.raises(DataError) as caught:
        data_identity(spec, cache)
    with pytest.raises(DataError):
        prepare(spec, cache)
    assert caught.value.remedy
    return caught.value


@pytest.mark.parametrize(
    "path", ["~nobody-of-this-name/x", "x" * 300, "x/" * 3000, "..", "-", "/dev/null", "\0", "a\nb"]
)
@pytest.mark.parametrize("index", range(4))
def test_paths_to_nothing_are_refused(index: int, path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    error = refused(paths_at(Path(path))[index], tmp_path / "cache")
    assert path.strip("/\0")[:250] in error.cause


@pytest.mark.parametrize("kind", ["cifar10", "ptb"])
def test_published_sets_below_the_home_of_nobody(kind: str, tmp_path: Path) -> None:
    root = Path("~nobody-of-this-name")
    spec = Cifar(kind="cifar10", root=root) if kind == "cifar10" else PennTreebank(root=root)
    assert "data.root: ~nobody-of-this-name" in refused(spec, tmp_path).cause


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
@pytest.mark.parametrize("index", range(4))
def test_folders_that_may_not_be_entered(index: int, tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    (closed / "inside").mkdir(parents=True)
    closed.chmod(0)
    try:
        assert "closed" in refused(paths_at(closed / "inside")[index], tmp_path / "cache").cause
    finally:
        closed.chmod(0o700)


def test_pipes_are_not_waited_for(tmp_path: Path, image_folder: Path) -> None:
    os.mkfifo(tmp_path / "pipe.parquet")
    for spec in paths_at(tmp_path / "pipe.parquet"):
        assert "pipe.parquet" in refused(spec, tmp_path / "cache").cause
    assert "pipe.parquet is not a file" in refused(ParquetImages(train=tmp_path, test=tmp_path), tmp_path / "c").cause
    os.mkfifo(image_folder / "train" / "cat" / "pipe.png")
    assert "pipe.png is not a file" in refused(ImageFolder(root=image_folder), tmp_path / "cache").cause


def test_links_that_go_round_are_named(tmp_path: Path, image_folder: Path) -> None:
    loop = image_folder / "train" / "cat" / "loop.png"
    loop.symlink_to(loop)
    assert "loop.png is not a file" in refused(ImageFolder(root=image_folder), tmp_path / "cache").cause
    (image_folder / "loop").symlink_to(image_folder / "loop")
    for spec in paths_at(image_folder / "loop"):
        assert "loop" in refused(spec, tmp_path / "cache").cause


@pytest.mark.parametrize("name", [b"caf\xe9", b"a\x1b[31mb", b"a\nb"])
def test_a_class_needs_a_name_that_can_be_written(name: bytes, tmp_path: Path, image_folder: Path) -> None:
    for split in ("train", "test"):
        (image_folder / split / "dog").rename(image_folder / split / os.fsdecode(name))
    error = refused(ImageFolder(root=image_folder), tmp_path / "cache")
    assert "has a class folder 'caf" in error.cause or "has a class folder 'a" in error.cause
    assert "rename" in error.remedy


def test_empty_splits_are_named(tmp_path: Path, write_text: Callable[..., TextFiles]) -> None:
    for contents in [("", "a\n", "a\n"), ("a\n", "\n\n", "a\n"), ("a\n", "a\n", " ")]:
        spec = write_text(*contents)
        empty = (spec.train, spec.validation, spec.test)[[not text.strip() for text in contents].index(True)]
        assert f"{empty} holds no word" in refused(spec, tmp_path / "cache").cause


@pytest.mark.parametrize(
    ("subset", "problem"),
    [
        ({"validation": 1437}, "do not fit into the 1,437 training images"),
        ({"limit": 1437, "validation": 1}, "do not fit into the 1,437 training images"),
        ({"limit": 10**30}, "do not fit into the 1,437 training images"),
        ({"test_limit": 361}, "more than the 360 test images"),
    ],
)
def test_subsets_that_leave_a_split_empty_or_too_small(subset: dict[str, int], problem: str, tmp_path: Path) -> None:
    error = refused(Digits(**subset), tmp_path)
    assert problem in error.cause
    assert "data." in error.remedy


def test_class_names_in_a_hostile_schema_are_passed_over(tmp_path: Path, write_parquet: Callable[..., Path]) -> None:
    for hostile in (
        "[" * 100_000,
        '{"info": [1]}',
        '{"info": {"features": {"label": {"names": null}}}}',
        "\0",
        "1e999",
    ):
        path = write_parquet(tmp_path / "a.parquet", IMAGES, LABELS, metadata={"huggingface": hostile})
        assert decode_images(ParquetImages(train=path, test=path), tmp_path).classes == ("0", "1", "2")


@pytest.mark.parametrize("names", ["ab", {"0": "ant", "2": "bee", "1x": "cat"}, 3])
def test_class_names_of_another_form_are_refused(
    names: object, tmp_path: Path, write_parquet: Callable[..., Path]
) -> None:
    """Without them, labels could not be matched with those of files that have names."""
    schema = json.dumps({"info": {"features": {"label": {"names": names}}}})
    path = write_parquet(tmp_path / "a.parquet", IMAGES, LABELS, metadata={"huggingface": schema})
    error = refused(ParquetImages(train=path, test=path), tmp_path)
    assert str(path) in error.cause
    assert "no list of names" in error.cause


def test_class_names_by_label_are_a_list(tmp_path: Path, write_parquet: Callable[..., Path]) -> None:
    """As in a data set's card."""
    schema = json.dumps({"info": {"features": {"label": {"names": {"1": "bee", "0": "ant", "2": "cat"}}}}})
    path = write_parquet(tmp_path / "a.parquet", IMAGES, LABELS, metadata={"huggingface": schema})
    assert decode_images(ParquetImages(train=path, test=path), tmp_path).classes == ("ant", "bee", "cat")


def test_fewer_class_names_than_labels_are_refused(tmp_path: Path, write_parquet: Callable[..., Path]) -> None:
    path = write_parquet(tmp_path / "a.parquet", IMAGES, LABELS, metadata={"classes": "ant,bee"})
    with pytest.raises(DataError, match=r"a\.parquet, row 2: the label is 2\n.*0\.\.1"):
        decode_images(ParquetImages(train=path, test=path), tmp_path)


def test_more_images_than_memory_are_refused() -> None:
    image_HWC = np.broadcast_to(np.uint8(0), (60_000, 60_000, 3))
    with pytest.raises(
        DataError, match=r"large\.png: the image is 60000x60000 RGB, and 100,000,000 like it take 1,080,000 TB"
    ):
        stack_images([("large.png", image_HWC)], 100_000_000)


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", b"\x93NUMPY\x01\x00\xff\xff{", b"\x80\x04}.", b"PK\x03\x04"])
def test_arrays_that_are_none_are_named(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "array.npy"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"array\.npy cannot be read") as caught:
        map_array(path)
    assert "made again" in caught.value.remedy


def test_an_array_of_objects_is_never_unpickled(tmp_path: Path) -> None:
    exploded = tmp_path / "exploded"

    class Bomb:
        def __reduce__(self) -> Any:
            return (Path.touch, (exploded,))

    np.save(tmp_path / "array.npy", np.array([Bomb()], dtype=object), allow_pickle=True)
    np.load(tmp_path / "array.npy", allow_pickle=True)
    assert exploded.exists(), "it is one"
    exploded.unlink()
    with pytest.raises(DataError, match=r"array\.npy cannot be read"):
        map_array(tmp_path / "array.npy")
    assert not exploded.exists()


def _changed(content: bytes, draw: st.DrawFn) -> bytes:
    at = draw(st.integers(0, len(content) - 1))
    if draw(st.booleans()):
        return content[:at]
    return content[:at] + bytes([content[at] ^ draw(st.integers(1, 255))]) + content[at + 1 :]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("changed")


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_changed_bytes_of_an_image_are_read_or_refused(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(["PNG", "JPEG", "WEBP", "BMP", "PPM"]))
    buffer = io.BytesIO()
    Image.fromarray(IMAGES[0]).save(buffer, name)
    try:
        pixels_HWC = decode_image(_changed(buffer.getvalue(), data.draw), "image.x")
    except DataError as error:
        assert "image.x" in error.cause
        assert error.remedy
    else:
        assert pixels_HWC.ndim == 3
        assert pixels_HWC.dtype == np.uint8


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_changed_bytes_of_a_text_are_read_or_refused(data: st.DataObject, folder: Path) -> None:
    contents = ["a b <unk>\nc a\n", "b c\n", "a\n"]
    files = {name: folder / name for name in ("train", "validation", "test")}
    changed = data.draw(st.sampled_from(sorted(files)))
    for (name, path), content in zip(files.items(), contents, strict=True):
        path.write_bytes(_changed(content.encode(), data.draw) if name == changed else content.encode())
    try:
        decoded = decode_text(TextFiles(**files), folder)
    except DataError as error:
        assert any(str(path) in error.cause for path in files.values())
        assert error.remedy
    else:
        assert len(decoded.train_N)


def test_changed_bytes_of_prepared_files_never_pass_unseen(image_folder: Path, tmp_path: Path) -> None:
    spec = ImageFolder(root=image_folder)
    prepared = prepare(spec, tmp_path / "cache")
    for name in ("meta.json", "train_images.npy", "train_labels.npy"):
        path = prepared / name
        whole = path.read_bytes()
        for at in range(0, min(len(whole), 128), 7):
            path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :])
            try:
                load_images(spec, prepared)
            except DataError as error:
                assert name in error.cause
            assert prepare(spec, tmp_path / "cache", verify=True) == prepared
            if name != "meta.json":
                assert path.read_bytes() == whole


READER = """
import sys
from pathlib import Path
from bansweep.data.prepare import decode_images, decode_text
from bansweep.errors import DataError
from bansweep.config.data import Cifar, ImageFolder, ParquetImages
from bansweep.config.data import PennTreebank, TextFiles, WikiText2

root, cache = Path(sys.argv[2]), Path(sys.argv[2]) / "cache"
text = TextFiles(train=root / "it", validation=root / "it", test=root / "it")
spec, decode = {
    "text": (text, decode_text),
    "parquet": (ParquetImages(train=root / "it", test=root / "it"), decode_images),
    "cifar-parquet": (Cifar(kind="cifar10", root=root), decode_images),
    "cifar-batches": (Cifar(kind="cifar10", root=root), decode_images),
    "folder": (ImageFolder(root=root), decode_images),
}[sys.argv[1]]
try:
    decode(spec, cache)
except DataError as error:
    print(error.cause)
"""
PLACES = {
    "text": ("it",),
    "parquet": ("it",),
    "cifar-parquet": ("cifar10-train.parquet", "cifar10-test.parquet"),
    "cifar-batches": ("cifar-10-batches-py/data_batch_1",),
    "folder": ("train/a/x.png", "train/b/x.png", "test/a/x.png"),
}


def read_by(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """A reader in a process of its own, which may hang."""
    command = [sys.executable, "-c", script, str(folder)]
    return subprocess.run(command, capture_output=True, text=True, timeout=PROCESS_S, check=False)


@pytest.mark.parametrize("kind", [named_pipe, link_to_endless_zeros])
@pytest.mark.parametrize("data", PLACES)
def test_data_that_never_end_are_refused(data: str, kind: Callable[[Path], None], tmp_path: Path) -> None:
    for name in PLACES[data]:
        put(kind, tmp_path / name)
    done = subprocess.run(
        [sys.executable, "-c", READER, data, str(tmp_path)], capture_output=True, text=True, timeout=PROCESS_S
    )
    assert done.returncode == 0, done.stderr
    assert any(phrase in done.stdout for phrase in ("regular file", "incomplete or damaged", "is not a file"))


@pytest.mark.parametrize("kind", [named_pipe, link_to_endless_zeros])
@pytest.mark.parametrize("name", ["meta.json", "vocabulary.json"])
def test_prepared_files_that_never_end_are_refused(name: str, kind: Callable[[Path], None], tmp_path: Path) -> None:
    put(kind, tmp_path / name)
    script = """if True:
        import sys
        from pathlib import Path
        from bansweep.data.descriptions import PreparedSet, read_description, read_vocabulary
        from bansweep.errors import DataError
        for read in (lambda folder: read_description(folder, PreparedSet), read_vocabulary):
            try:
                read(Path(sys.argv[1]))
            except DataError as error:
                print(error.cause)
    """
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, timeout=PROCESS_S
    )
    assert done.returncode == 0, done.stderr
    assert f"{tmp_path / name} " in done.stdout


@pytest.mark.parametrize("kind", [named_pipe, link_to_endless_zeros])
def test_digests_are_computed_anew_where_their_memory_never_ends(kind: Callable[[Path], None], tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    script = """if True:
        import sys
        from pathlib import Path
        from bansweep.data.cache import file_digests
        print(*file_digests([Path(sys.argv[1]) / "file"], Path(sys.argv[1]) / "cache").values())
    """
    # A file is remembered once its last change is two seconds old. No program can set the time of that change.
    while time.time_ns() - (tmp_path / "file").stat().st_ctime_ns <= SETTLED_NS:
        time.sleep(0.1)
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, timeout=PROCESS_S
        )
        assert done.stdout == "ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73\n", done.stderr
        [memory] = (tmp_path / "cache" / "digests").glob("*.json")
        put(kind, memory)
