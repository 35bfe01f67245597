"""Claims: leases on training a generation, so that two sweeps train it once.

The claims on a generation are numbered files, `claims/<id>/1.json`, `2.json` and so on, and the highest number counts.
A claim can be taken over once its owner has released it, has died, or has stopped sending heartbeats. A process
acquires a claim by creating the next number. Any number of processes can wait without races:

1. Each number is created by exactly one process. A process creates `n + 1` only after it saw that `n` is free, or 1
   after it saw no number. A process that creates `n + 1` too late fails, because another one has created it, and waits
   again. A takeover neither renames nor removes a file, so it cannot hit a live claim. With a single file that is
   moved away when it is stale, it could.
2. A free claim stays free. A released claim is never used again, and a dead process does not return. An owner whose
   heartbeat expired finds the next number before its next heartbeat and stops renewing its own (`lost`).
3. Only its owner writes a number. Heartbeats and the release replace the owner's own file, so an owner that resumes
   late cannot overwrite its successor's file.
4. Numbers are removed only after the generation is finished, by a leaving owner, and only up to its own number. A
   number can then be created again. Therefore an owner checks again, after acquiring, whether the generation is
   finished.

A suspended owner that was superseded believes in its claim until its next heartbeat. No lease can prevent that. Both
processes then do the same work, and publishing keeps the first result.
"""

from __future__ import annotations

import json
import logging
import os
import re
import socket
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

from bansweep.errors import DamagedError, StoreError
from bansweep.store.paths import StorePath

_log = logging.getLogger(__name__)
# Accept only the spelling that this module writes: another spelling of a number would name another file.
_FILE_NAME = re.compile(r"([1-9][0-9]*)\.json")


def _never() -> bool:
    return False


class Claim:
    """A lease on training one generation; `folder` holds its numbered claims.

    While it is held, a daemon thread renews it every `heartbeat_s` seconds. Other processes take it over when this
    process is dead, or when they saw no heartbeat for `stale_s` seconds. As a context manager it releases itself at the
    end; entering does not acquire. `finished` returns whether the generation is finished: then the release removes the
    claim's files.
    """

    def __init__(
        self,
        folder: StorePath,
        *,
        heartbeat_s: float = 5.0,
        stale_s: float = 30.0,
        finished: Callable[[], bool] = _never,
    ) -> None:
        self._folder = folder
        self._heartbeat_s = heartbeat_s
        self._finished = finished
        self._watch = _Watch(stale_s)
        self._owner = "another process"
        self._number = 0
        self._lease: _Lease | None = None
        self._lost = False
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def held(self) -> bool:
        """Whether this object acquired the claim and has neither released nor lost it."""
        return self._lease is not None and not self._lost

    @property
    def lost(self) -> bool:
        """Whether another process took the claim over, as of the last heartbeat. The result can still be published."""
        return self._lost

    @property
    def owner(self) -> str:
        """The last known owner other than this object: `process 4711 on gpu-box`."""
        return self._owner

    def acquire(
        self,
        *,
        wait: bool = True,
        poll_s: float = 0.5,
        on_wait: Callable[[], None] | None = None,
        until: Callable[[], bool] = _never,
        give_up: Callable[[], bool] = _never,
    ) -> bool:
        """Acquires the claim, by default waiting for its owner, and returns whether it did.

        Returns False if `until()` is true (pass "the generation is finished"), or if another process has the claim and
        `wait` is false or `give_up()` is true. A free claim is acquired in either case. `until` is called before each
        attempt, `poll_s` seconds apart, and after a successful one. `on_wait` is called once, before the first wait.
        Missing heartbeats are also noticed across three or more calls with `wait` false. Raises StoreError where the
        store cannot be written.
        """
        if self.held:
            return True
        has_waited = False
        while not until():
            if self._try_to_acquire():
                if not until():  # another process may have finished it and released its claim since the last check
                    return True
                self.release()
                return False
            if not wait or give_up():
                return False
            if on_wait is not None and not has_waited:
                on_wait()
            has_waited = True
            time.sleep(poll_s)
        return False

    def is_taken(self) -> bool:
        """Whether another process has it. Repeated calls also notice missing heartbeats."""
        number = self._highest()
        return bool(number) and not self.held and not self._is_free(number)

    def release(self) -> None:
        """Releases the claim if this object holds it. Never raises: a claim that cannot be released expires."""
        lease, self._lease = self._lease, None
        if lease is None or lease.process.pid != os.getpid():  # a forked child is not the owner
            return
        self._stop.set()
        if self._thread is not None:
            self._thread.join()  # no heartbeat may follow the release
        if self._lost:
            return
        try:
            self._path(self._number).replace(replace(lease, released=True).encode(), durable=False)
            if self._finished():
                self._remove_files()
        except (StoreError, FileNotFoundError) as error:
            _log.warning("cannot release the claim %s: %s", self._path(self._number), error)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.release()

    def _path(self, number: int) -> StorePath:
        return self._folder / f"{number}.json"

    def _try_to_acquire(self) -> bool:
        number = self._highest()
        if number and not self._is_free(number):
            return False
        lease = _Lease(owner=uuid.uuid4().hex, process=ProcessIdentity.current())
        if not self._path(number + 1).create(lease.encode()):
            return False
        self._number, self._lease, self._lost = number + 1, lease, False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._keep_alive, args=(lease,), name="claim heartbeat", daemon=True)
        self._thread.start()
        return True

    def _highest(self) -> int:
        return max(self._numbers(), default=0)

    def _numbers(self) -> list[int]:
        return [int(match[1]) for name in self._folder.names() if (match := _FILE_NAME.fullmatch(name))]

    def _is_free(self, number: int) -> bool:
        try:
            content = self._path(number).read()
        except FileNotFoundError:  # its owner has just finished the generation
            return False
        except DamagedError:  # not a lease; it never changes, so it expires
            content = b""
        lease = _Lease.decode(content)
        if lease is not None and lease.released:
            return True
        owner = f"process {lease.process.pid} on {lease.process.hostname}" if lease else "a process that died at it"
        self._owner = owner
        if lease is not None and lease.process.is_known_dead():
            _log.info("taking over claim %s: %s is dead", self._path(number), owner)
            return True
        if self._watch.is_stale(number, content):
            _log.warning("taking over claim %s: %s gives no sign of life", self._path(number), owner)
            return True
        return False

    def _keep_alive(self, lease: _Lease) -> None:
        """The heartbeat thread, until the claim is released or lost."""
        stop, path = self._stop, self._path(self._number)
        while not stop.wait(self._heartbeat_s):
            try:
                if self._path(self._number + 1).exists() or not self._is_mine(path.read(), lease):
                    raise FileNotFoundError
                lease = replace(lease, heartbeat=lease.heartbeat + 1)
                path.replace(lease.encode(), durable=False)
            except FileNotFoundError:  # superseded, or a user emptied the folder
                self._lost = True
                _log.warning("lost claim %s: another process took it over", path)
                return
            except StoreError as error:  # a full disk or a lost network: other processes will see no heartbeat
                _log.warning("cannot renew claim %s: %s", path, error.cause)

    @staticmethod
    def _is_mine(content: bytes, lease: _Lease) -> bool:
        there = _Lease.decode(content)
        return there is not None and there.owner == lease.owner

    def _remove_files(self) -> None:
        """Removes the numbers up to this one: the generation is finished, so no process waits for it again."""
        for number in self._numbers():
            if number <= self._number:
                self._path(number).remove()
        self._folder.remove_empty_folder()


@dataclass(frozen=True)
class _Lease:
    """The content of a claim's file. `owner` is a new random text at each acquisition."""

    owner: str
    process: ProcessIdentity
    heartbeat: int = 0
    released: bool = False

    def encode(self) -> bytes:
        return (json.dumps(asdict(self)) + "\n").encode()

    @classmethod
    def decode(cls, content: bytes) -> _Lease | None:
        """None for what is not a lease: its writer died or is still writing."""
        try:
            fields = json.loads(content)
            lease = cls(**{**fields, "process": ProcessIdentity(**fields["process"])})
        except (ValueError, KeyError, TypeError, RecursionError):
            return None
        # Check types: the store's content is untrusted, and the process number becomes part of a path in /proc.
        expected = {"owner": str, "heartbeat": int, "released": bool}
        typed = all(type(getattr(lease, name)) is kind for name, kind in expected.items())
        return lease if typed and lease.process.is_valid() else None


class _Watch:
    """How long a claim has had no new heartbeat, by this process's monotonic clock."""

    def __init__(self, stale_s: float) -> None:
        self._stale_s = stale_s
        self._seen: tuple[int, bytes] | None = None
        self._seen_at = 0.0
        self._silent_s = 0.0

    def is_stale(self, number: int, content: bytes) -> bool:
        now = time.monotonic()
        if self._seen != (number, content):
            self._seen, self._silent_s = (number, content), 0.0
        else:
            # One interval counts for a third at most. After a whole machine was suspended, owner and observer resume
            # together, and the owner needs time for its next heartbeat.
            self._silent_s += min(now - self._seen_at, self._stale_s / 3)
        self._seen_at = now
        return self._silent_s >= self._stale_s


@dataclass(frozen=True)
class ProcessIdentity:
    """Identifies a process across machines, reboots and reused process numbers.

    `host` names the machine, its boot and its namespace of process numbers (each container has its own). `started` is
    the process's start in clock ticks after boot: it differs for a later process of the same number. It is None where
    the operating system does not report it.
    """

    host: str
    pid: int
    started: int | None

    @classmethod
    def current(cls) -> ProcessIdentity:
        pid = os.getpid()
        state = _state_and_start(pid)
        return cls(host=_host(), pid=pid, started=state[1] if state else None)

    def is_valid(self) -> bool:
        """Whether the fields have the types and ranges of a process's; the class itself accepts any JSON values."""
        started = self.started is None or type(self.started) is int
        return type(self.host) is str and type(self.pid) is int and 0 < self.pid < 1 << 31 and started

    @property
    def hostname(self) -> str:
        return self.host.partition("/")[0]

    def is_known_dead(self) -> bool:
        """Whether the process has certainly ended. That is never known of another host or container."""
        if self.host != _host():
            return False
        if self.started is None or not Path("/proc/self/stat").exists():
            return not _is_running(self.pid)
        state = _state_and_start(self.pid)
        # Zombies (Z) have ended; their parents have not yet waited for them.
        return state is None or state[0] in "ZX" or state[1] != self.started


def _host() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        namespace = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        boot, namespace = f"{uuid.getnode():x}", ""
    return f"{socket.gethostname()}/{boot}/{namespace}"


def _state_and_start(pid: int) -> tuple[str, int] | None:
    """Fields 3 and 22 of /proc/<pid>/stat (proc(5)); None where there is no such process, or no /proc."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = stat[stat.rindex(")") + 1 :].split()  # field 2, the command, may contain blanks and parentheses
    return fields[0], int(fields[19])


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it runs, as another user's process
        return True
    return True
