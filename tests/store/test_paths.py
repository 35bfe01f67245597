"""What a store asks of a filesystem, of each kind that it can be on: a folder, an S3 server, any other of fsspec's."""

from __future__ import annotations

import subprocess
import sys
import threading
import uuid
from pathlib import Path

import fsspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bansweep.errors import DamagedError, RequestError
from bansweep.store.location import is_url, store_location, store_path
from bansweep.store.object_path import SCHEMES, ObjectPath
from bansweep.store.paths import StorePath


@pytest.fixture(params=["folder", "s3", "memory"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> StorePath:
    """The root of an empty store."""
    match request.param:
        case "folder":
            return store_path(tmp_path / "store")
        case "s3":
            return store_path(f"{request.getfixturevalue('bucket')}/some/store")
        case _:
            return ObjectPath(fsspec.filesystem("memory"), "memory", f"/{uuid.uuid4().hex}/store")


def test_nothing_is_there_before_it_is_written(place: StorePath) -> None:
    assert not place.exists()
    assert place.names() == []
    assert not (place / "file").exists()
    with pytest.raises(FileNotFoundError):
        (place / "file").read()
    (place / "file").remove()
    (place / "folder").remove_folder()
    (place / "folder").set_aside("aside")
    (place / "folder").remove_empty_folder()
    assert not place.exists()


def test_names_are_those_of_files_and_folders(place: StorePath) -> None:
    for parts in (("b", "inner", "file"), ("a",), ("b", "other"), ("ab",)):
        path = place
        for part in parts:
            path = path / part
        path.parent.make_folder()
        path.replace("/".join(parts).encode())
    assert place.names() == ["a", "ab", "b"]
    assert (place / "b").names() == ["inner", "other"]
    assert (place / "b").exists()
    assert (place / "b" / "inner" / "file").read() == b"b/inner/file"
    assert (place / "a").name == "a"
    assert (place / "a").parent == place
    assert (place / "a").with_name("ab").read() == b"ab"


def test_a_file_is_replaced_whole(place: StorePath) -> None:
    place.make_folder()
    for content in ((b"first ", b"parts"), (b"",), (b"x" * 3_000_000, b"\n")):
        (place / "file").replace(*content)
        assert (place / "file").read() == b"".join(content)
    assert place.names() == ["file"]


def test_a_file_is_read_up_to_its_limit(place: StorePath) -> None:
    place.make_folder()
    for content in (b"", b"x", b"four"):
        (place / "file").replace(content)
        assert (place / "file").read(at_most=4) == content
    (place / "file").replace(b"x" * 5)
    with pytest.raises(DamagedError, match="more than 4 bytes"):
        (place / "file").read(at_most=4)


def test_of_many_one_creates_a_file(place: StorePath) -> None:
    for round_number in range(5):
        barrier, created = threading.Barrier(6), []

        def contend(number: int, path: StorePath, barrier: threading.Barrier, created: list[int]) -> None:
            barrier.wait()
            if path.create(f"by {number}".encode()):
                created.append(number)

        arguments = (place / f"file-{round_number}", barrier, created)
        threads = [threading.Thread(target=contend, args=(number, *arguments)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        (winner,) = created
        assert (place / f"file-{round_number}").read() == f"by {winner}".encode()


def test_what_is_there_cannot_be_created(place: StorePath) -> None:
    assert (place / "file").create(b"first")
    assert not (place / "file").create(b"second")
    assert (place / "file").read() == b"first"
    (place / "file").remove()
    assert (place / "file").create(b"third")


def test_files_and_folders_are_set_aside_and_removed(place: StorePath) -> None:
    folder = place / "folder" / "inner"
    folder.make_folder()
    for path in (place / "folder" / "top", folder / "deep", place / "folder-2"):
        path.replace(path.name.encode())
    (place / "folder").set_aside("aside")
    (place / "folder-2").set_aside("file-aside")
    assert place.names() == ["aside", "file-aside"]
    assert (place / "aside" / "inner" / "deep").read() == b"deep"
    assert (place / "aside" / "top").read() == b"top"
    (place / "aside").remove_folder()
    (place / "file-aside").remove()
    assert place.names() == []


def test_one_folder_is_removed_and_not_its_namesakes(place: StorePath) -> None:
    for name in ("id", "id-2"):
        (place / name).make_folder()
        (place / name / "file").replace(b"")
    (place / "id").remove_folder()
    assert place.names() == ["id-2"]


@pytest.mark.parametrize(
    ("location", "said"),
    [
        ("s3://", "cannot be a store"),
        ("s3://bucket/../other", "cannot be a store"),
        ("s3://bucket/a?x=1", "cannot be a store"),
        ("s3://key:secret@bucket/a", "holds credentials"),
        ("s3://key:sec/secret@bucket/a", "holds credentials"),
        ("S3://key:secret@bucket/a", "holds credentials"),
        ("s3:key:secret@bucket/a", "holds credentials"),
        ("nosuch://key:secret@bucket/a", "holds credentials"),
        ("abfs://container:secret@account/a", "holds credentials"),
        ("abfs://container@account.dfs.core.windows.net/a", "names an account"),
        ("nosuch://bucket/a", "no kind of store that is known"),
        ("memory://bucket/a", "no kind of store that is known"),
        ("https://host/a", "no kind of store that is known"),
        ("s3:/bucket/a", "neither a URL nor a plain folder"),
        ("s3:bucket", "neither a URL nor a plain folder"),
        ("file:/a", "neither a URL nor a plain folder"),
        ("file://host/a", "names no folder"),
        ("file://", "names no folder"),
        ("file:///", "names no folder"),
        ("file:///a?x=1", "names no folder"),
        ("file:///a%00b", "names no folder"),
    ],
)
def test_what_cannot_be_a_store_is_refused(location: str, said: str) -> None:
    for take in (store_location, is_url, store_path):
        with pytest.raises(RequestError, match=said) as refused:
            take(location)
        assert "secret" not in str(refused.value)
        assert refused.value.remedy


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("s3://bucket/some//folder/", "s3://bucket/some/folder"),
        ("S3://Bucket/Folder", "s3://Bucket/Folder"),
        ("GS://b", "gs://b"),
        ("s3://arn:aws:s3:eu-west-1:1234:accesspoint/a@b", "s3://arn:aws:s3:eu-west-1:1234:accesspoint/a@b"),
        *((f"{scheme}://bucket/a", f"{scheme}://bucket/a") for scheme in SCHEMES),
        ("here/", "here"),
        ("/a//b/", "/a/b"),
        ("a:b", "./a:b"),
        ("./s3:", "./s3:"),
        ("file:///a/b", "/a/b"),
        ("FILE:///a%20b/", "/a b"),
        ("File://localhost/a", "/a"),
    ],
)
def test_a_location_is_named_as_it_is_meant(written: str, meant: str) -> None:
    assert store_location(written) == meant
    assert is_url(written) == ("://" in meant)


@given(
    st.one_of(
        st.text(st.characters(exclude_characters="\0"), max_size=12),
        st.from_regex(r"([sS]3|[fF]ile|a)?:?/{0,3}[a:./ %]{0,5}", fullmatch=True),
    )
)
def test_what_it_is_named_means_the_same(location: str) -> None:
    try:
        named = store_location(location)
    except RequestError:
        return
    assert store_location(named) == named


def test_folders_are_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert str(store_path("here")) == str(tmp_path / "here")
    assert str(store_path("./s3:here")) == str(tmp_path / "s3:here")
    assert str(store_path(f"file://{tmp_path}/here")) == str(tmp_path / "here")


def test_a_url_is_checked_without_the_packages_that_open_it() -> None:
    code = """if True:
        import sys
        sys.modules.update({"fsspec": None, "s3fs": None})
        from bansweep.errors import RequestError
        from bansweep.store.location import store_location, store_path
        assert store_location("s3://bucket/a/") == "s3://bucket/a"
        try:
            store_path("s3://bucket/a")
        except (RequestError, ImportError):
            print("cannot be opened")
    """
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("cannot be opened\n", "")
