"""Processes that need not import anything: a server that has imported PyTorch, Ray and MLflow once forks them.

Their imports are most of what a short command or a small process group costs. The server is multiprocessing's; each
process of pytest-xdist has one. It has started no thread, no Ray and no connection when it forks.
"""

from __future__ import annotations

import atexit
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import TextIO

import bansweep

IMPORTED = (
    "torch._dynamo",
    "torch.distributed",
    "mlflow",
    "ray.tune",
    "bansweep.cli.commands.run",
    "bansweep.cluster.searcher",
    "bansweep.cluster.sweep_run",
    "bansweep.cluster.trial",
    "bansweep.service.running",
    "bansweep.training.image_run",
    "bansweep.training.language_run",
)

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(list(IMPORTED))


class ForkedCommand:
    """`bansweep ARGUMENTS` in a forked process; what tests use of `subprocess.Popen`."""

    def __init__(self, arguments: list[str], environment: dict[str, str]) -> None:
        (out, theirs_out), (err, theirs_err) = CONTEXT.Pipe(duplex=False), CONTEXT.Pipe(duplex=False)
        place = str(Path.cwd())
        self._process = CONTEXT.Process(target=_command, args=(arguments, environment, place, theirs_out, theirs_err))
        self._process.start()
        theirs_out.close()
        theirs_err.close()
        self.stdout, self.stderr = _text_of(out), _text_of(err)
        self._read: list[Future[str]] = []

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired("bansweep", timeout or 0)
        return self._process.exitcode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        if not self._read:
            readers = ThreadPoolExecutor(2)
            self._read = [readers.submit(_rest_of, stream) for stream in (self.stdout, self.stderr)]
            readers.shutdown(wait=False)
        try:
            out, err = (one.result(timeout) for one in self._read)
        except FutureTimeoutError:
            raise subprocess.TimeoutExpired("bansweep", timeout or 0) from None
        self.wait(timeout)
        return out, err

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def __enter__(self) -> ForkedCommand:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.stdout.close()
        self.stderr.close()
        self.wait()


def _text_of(connection: Connection) -> TextIO:
    stream = os.fdopen(os.dup(connection.fileno()), encoding="utf-8")
    connection.close()
    return stream


def _rest_of(stream: TextIO) -> str:
    """What is left to read; the stream is closed after it."""
    with stream:
        return "" if stream.closed else stream.read()


def _command(arguments: list[str], environment: dict[str, str], place: str, out: Connection, err: Connection) -> None:
    """What `python -m bansweep ARGUMENTS` is, in this process."""
    for number, connection, name in ((1, out, "stdout"), (2, err, "stderr")):
        os.dup2(connection.fileno(), number)
        connection.close()
        former = getattr(sys, name)
        # What Python has opened for the server knows the place in another file.
        setattr(sys, name, os.fdopen(number, "w", encoding=former.encoding, errors=former.errors, closefd=False))
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(place)
    # The server has this of the tests; a command has its working directory there, and takes it away.
    tests = str(Path(__file__).parent)
    sys.path[:] = [place, *(entry for entry in sys.path if entry != tests)]
    sys.argv = [str(Path(bansweep.__file__).with_name("__main__.py")), *arguments]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        runpy.run_module("bansweep", run_name="__main__", alter_sys=True)
    finally:
        # multiprocessing ends its processes without it.
        atexit._run_exitfuncs()
