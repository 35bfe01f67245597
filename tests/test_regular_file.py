"""Only regular files are read and written to, and none that is larger than its kind may be."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from patience import PROCESS_S
from planted import NOT_REGULAR, folder, larger_than_any, link_to_itself, link_to_nothing, put

from bansweep.regular_file import UnusableFileError, append_regular, open_regular, read_regular

NAMES = {"named_pipe": "named pipe", "unix_socket": "socket", "link_to_itself": "link to itself"}
SCRIPT = """
import sys
from pathlib import Path
from bansweep.regular_file import append_regular, open_regular, read_regular

use = {"read": lambda path: read_regular(path, 100), "open": open_regular, "append": append_regular}[sys.argv[1]]
try:
    use(Path(sys.argv[2]))
    print("done")
except OSError as error:
    print(f"{type(error).__name__}: {error.strerror}")
"""


def said(use: str, path: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, use, str(path)], capture_output=True, text=True, timeout=PROCESS_S, check=True
    )
    return done.stdout.strip()


@pytest.mark.parametrize("kind", [*NOT_REGULAR, link_to_itself])
@pytest.mark.parametrize("use", ["read", "open"])
def test_what_is_no_file_is_not_read(use: str, kind: Callable[[Path], None], tmp_path: Path) -> None:
    put(kind, tmp_path / "it")
    name = NAMES.get(kind.__name__, "device")
    words = "Is a directory" if kind is folder else f"a {name} is there, not a regular file"
    assert said(use, tmp_path / "it") == f"UnusableFileError: {words}"


@pytest.mark.parametrize("kind", [*NOT_REGULAR, link_to_nothing, link_to_itself])
def test_what_is_no_file_is_not_written_to(kind: Callable[[Path], None], tmp_path: Path) -> None:
    put(kind, tmp_path / "it")
    name = "link" if (tmp_path / "it").is_symlink() else NAMES.get(kind.__name__)
    words = "Is a directory" if kind is folder else f"a {name} is there, not a regular file"
    assert said("append", tmp_path / "it") == f"UnusableFileError: {words}"
    assert not (tmp_path / "nothing").exists()


def test_a_link_to_a_file_is_read_and_not_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "link").symlink_to("file")
    assert read_regular(tmp_path / "link", 7) == b"content"
    with pytest.raises(UnusableFileError):
        append_regular(tmp_path / "link")
    with append_regular(tmp_path / "file") as opened:
        opened.write(b" and more")
    assert (tmp_path / "file").read_bytes() == b"content and more"


def test_a_missing_file_is_created_to_be_written_to_and_never_to_be_read(tmp_path: Path) -> None:
    for use in (open_regular, lambda path: read_regular(path, 1)):
        with pytest.raises(FileNotFoundError):
            use(tmp_path / "file")
    append_regular(tmp_path / "file").close()
    assert (tmp_path / "file").read_bytes() == b""


def test_what_is_too_large_is_not_read(tmp_path: Path) -> None:
    larger_than_any(tmp_path / "file")
    with pytest.raises(UnusableFileError, match="more than 1,000 bytes"):
        read_regular(tmp_path / "file", 1000)


@given(size=st.integers(0, 200_000), at_most=st.integers(0, 200_000))
def test_a_file_is_read_up_to_its_limit(size: int, at_most: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.mktemp("any") / "file"
    content = bytes(range(256)) * (size // 256) + bytes(size % 256)
    file.write_bytes(content)
    if size <= at_most:
        assert read_regular(file, at_most) == content
    else:
        with pytest.raises(UnusableFileError):
            read_regular(file, at_most)


def test_a_file_without_a_size_is_read() -> None:
    """Files of /proc have none."""
    file = Path("/proc/self/status")
    if not file.exists():
        pytest.skip("no /proc here")
    assert read_regular(file, 1 << 20).startswith(b"Name:")
    with pytest.raises(UnusableFileError):
        read_regular(file, 10)
