"""Claims: leases on training a generation, so that two sweeps train it once.

The claims on a generation are numbered files, `claims/<id>/1.json`, `2.json` and so on, and the highest number counts.
It is free to follow once its owner released it, is known to be dead, or lets its heartbeat rest; to acquire is to
create the next number, which one process can. Why that is free of races, among any number of waiters:

1. Numbers are only ever created, each by exactly one process, and a process creates `n + 1` only after it saw `n`
   free, or saw no number and creates 1. So whoever saw `n` free late, after another created `n + 1`, fails at
   creating it and goes back to watching. Nobody renames or removes a claim to take it over, so nobody can
   hit a live claim by mistake, which is what goes wrong with one file that is moved away when it is stale.
2. Free is for good: a released claim is never used again, the dead stay dead, and an owner whose heartbeat rested
   too long finds the next number before its next heartbeat, and renews its own no more (`lost`).
3. Only its owner writes a number. Heartbeats and the release replace the owner's own file, so an owner that wakes
   up late cannot overwrite its successor's.
4. Numbers are removed only when the generation is finished, by an owner that leaves, and only up to its own. Then
   they might be created again; but an owner asks once more, after acquiring, whether the generation is finished.

What no lease can do is stop an owner that is suspended, and superseded, from believing in its claim until its next
heartbeat. Both then do the same work, and publishing keeps the first.
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


@dataclass(frozen=True)
class ProcessIdentity:
    """A process among all that ever were.

    `host` names the machine, its boot and the namespace that process numbers count in (containers have their own);
    `started` is the process's start in clock ticks after boot, which tells it from a later one of the same number.
    None where the operating system does not say.
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
        """Whether the fields have the types and ranges of a process's; the class itself takes whatever JSON holds."""
        started = self.started is None or type(self.started) is int
        return type(self.host) is str and type(self.pid) is int and 0 < self.pid < 1 << 31 and started

    @property
    def hostname(self) -> str:
        return self.host.partition("/")[0]

    def is_known_dead(self) -> bool:
        """Whether the process has certainly ended: one of another host, or another container, is never known to."""
        if self.host != _host():
            return False
        if self.started is None or not Path("/proc/self/stat").exists():
            return not _answers(self.pid)
        state = _state_and_start(self.pid)
        # Zombies (Z) have ended, and wait only for their parents to hear of it.
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


def _answers(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it is there, and another user's
        return True
    return True


_log = logging.getLogger(__name__)
# Accept only the spelling that this module writes: another spelling of a number would name another file.
_FILE_NAME = re.compile(r"([1-9][0-9]*)\.json")


def _never() -> bool:
    return False


@dataclass(frozen=True)
class _Lease:
    """The content of a claim's file. `owner` is drawn anew each time a claim is acquired."""

    owner: str
    process: ProcessIdentity
    heartbeat: int = 0
    released: bool = False

    def encode(self) -> bytes:
        return (json.dumps(asdict(self)) + "\n").encode()

    @classmethod
    def decode(cls, content: bytes) -> _Lease | None:
        """None for what is not a lease: its writer died, or is still writing."""
        try:
            fields = json.loads(content)
            lease = cls(**{**fields, "process": ProcessIdentity(**fields["process"])})
        except (ValueError, KeyError, TypeError, RecursionError):
            return None
        # Check types: anybody may have written the store, and the process number becomes part of a path in /proc.
        expected = {"owner": str, "heartbeat": int, "released": bool}
        typed = all(type(getattr(lease, name)) is kind for name, kind in expected.items())
        return lease if typed and lease.process.is_valid() else None


class _Watch:
    """For how long a claim's heartbeat has rested, by this observer's own monotonic clock."""

    def __init__(self, stale_s: float) -> None:
        self._stale_s = stale_s
        self._seen: tuple[int, bytes] | None = None
        self._seen_at = 0.0
        self._resting_s = 0.0

    def is_stale(self, number: int, content: bytes) -> bool:
        now = time.monotonic()
        if self._seen != (number, content):
            self._seen, self._resting_s = (number, content), 0.0
        else:
            # One look counts for a third at most: where the whole machine was suspended, owner and observer wake
            # together, and the owner gets the time to go on with its heartbeat.
            self._resting_s += min(now - self._seen_at, self._stale_s / 3)
        self._seen_at = now
        return self._resting_s >= self._stale_s


class Claim:
    """A lease on training one generation; `folder` is the one of its numbered claims.

    While it is held a daemon thread renews it every `heartbeat_s` seconds; others take it over when this process is
    dead, or when they saw no heartbeat for `stale_s` seconds. As a context manager it releases itself at the end;
    entering does not acquire. `finished` says whether the generation is, in which case leaving tidies up.
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
        """Whether another took the claim over, as of the last heartbeat. What was trained is still worth publishing."""
        return self._lost

    @property
    def owner(self) -> str:
        """Who else had it when this object looked last: `process 4711 on gpu-box`."""
        return self._owner

    def acquire(
        self,
        *,
        wait: bool = True,
        poll_s: float = 0.5,
        on_wait: Callable[[], None] | None = None,
        until: Callable[[], bool] = _never,
    ) -> bool:
        """Acquires the claim, waiting for its owner by default, and says whether it did.

        False: `until()` is true (pass "the generation is finished"), or `wait` is false and somebody has the claim.
        `until` is asked before each attempt, `poll_s` seconds apart, and after the one that succeeds; `on_wait` is
        called once, where there is something to wait for. An owner's silence is noticed across calls with `wait`
        false as well, given three or more of them. Raises StoreError where the store cannot be written.
        """
        if self.held:
            return True
        told = False
        while not until():
            if self._try_to_acquire():
                if not until():  # it may have been finished, and its claim released, since we asked
                    return True
                self.release()
                return False
            if not wait:
                return False
            if on_wait is not None and not told:
                on_wait()
            told = True
            time.sleep(poll_s)
        return False

    def is_taken(self) -> bool:
        """Whether somebody else has it, for whoever asks again and again: that also shows an owner's silence."""
        number = self._highest()
        return bool(number) and not self.held and not self._is_free(number)

    def release(self) -> None:
        """Gives the claim up, if this object holds it; never raises: what cannot be released goes stale."""
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
                self._forget()
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
        except FileNotFoundError:  # its owner finished the generation just now
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
            except FileNotFoundError:  # superseded, or somebody emptied the folder by hand
                self._lost = True
                _log.warning("lost claim %s: another process took it over", path)
                return
            except StoreError as error:  # a full disk or a network that is away: others will see us silent
                _log.warning("cannot renew claim %s: %s", path, error.cause)

    @staticmethod
    def _is_mine(content: bytes, lease: _Lease) -> bool:
        there = _Lease.decode(content)
        return there is not None and there.owner == lease.owner

    def _forget(self) -> None:
        """Removes the numbers up to this one: the generation is finished, and nobody has to wait for it again."""
        for number in self._numbers():
            if number <= self._number:
                self._path(number).remove()
        self._folder.remove_empty_folder()
