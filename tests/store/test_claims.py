"""Claims: never two holders, and none that a dead or silent owner keeps."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from patience import PROCESS_S, wait_for

from bansweep.store.claims import Claim, ProcessIdentity
from bansweep.store.local_path import LocalPath
from bansweep.store.store import Store

ID = "0123456789abcdef"
StartScript = Callable[..., "subprocess.Popen[str]"]

STALE_S = 1.5
"""Many heartbeats of 0.02 s: on a busy machine a thread may miss its turn for half a second."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "claims" / ID


def numbers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def test_a_claim_excludes_others_until_it_is_released(folder: Path) -> None:
    first, second = Claim(LocalPath(folder)), Claim(LocalPath(folder))
    assert first.acquire()
    assert first.held
    assert first.acquire()
    assert not second.acquire(wait=False)
    first.release()
    first.release()
    assert not first.held
    assert second.acquire(wait=False)
    first.release()
    assert not Claim(LocalPath(folder)).acquire(wait=False)
    second.release()
    assert first.acquire(wait=False)
    first.release()


def test_leaving_the_context_releases(folder: Path) -> None:
    with Claim(LocalPath(folder)) as claim:
        assert claim.acquire()
    with suppress(KeyError), Claim(LocalPath(folder)) as claim:
        assert claim.acquire(wait=False)
        raise KeyError
    with Claim(LocalPath(folder)) as claim:
        assert not claim.held
        assert claim.acquire(wait=False)


def test_a_live_owner_keeps_its_claim_however_long_others_wait(folder: Path) -> None:
    owner = Claim(LocalPath(folder), heartbeat_s=0.02)
    with owner:
        assert owner.acquire()
        asked_until = time.monotonic() + 2 * STALE_S
        waiter = Claim(LocalPath(folder), stale_s=STALE_S)
        assert not waiter.acquire(poll_s=0.02, until=lambda: time.monotonic() > asked_until)
        assert owner.held
        wait_for(lambda: json.loads((folder / "1.json").read_text())["heartbeat"] >= 5)


def test_a_clock_that_jumps_takes_no_claim_away(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jumps = [0.0, 86_400.0, -86_400.0]
    right = time.time
    monkeypatch.setattr(time, "time", lambda: right() + jumps[int(right() * 50) % len(jumps)])
    with Claim(LocalPath(folder), heartbeat_s=0.02) as owner:
        assert owner.acquire()
        asked_until = time.monotonic() + 2 * STALE_S
        waiter = Claim(LocalPath(folder), stale_s=STALE_S)
        assert not waiter.acquire(poll_s=0.02, until=lambda: time.monotonic() > asked_until)
        assert owner.held


def test_waiting_ends_when_the_owner_releases(folder: Path) -> None:
    owner, waits = Claim(LocalPath(folder)), []
    assert owner.acquire()
    timer = threading.Timer(0.1, owner.release)
    timer.start()
    with Claim(LocalPath(folder)) as waiter:
        assert waiter.acquire(poll_s=0.01, on_wait=lambda: waits.append("told"))
    timer.join()
    assert waits == ["told"]


def test_waiting_ends_when_the_generation_is_finished(folder: Path) -> None:
    with Claim(LocalPath(folder)) as owner:
        assert owner.acquire()
        answers = iter([False, False, True])
        assert not Claim(LocalPath(folder)).acquire(poll_s=0.01, until=lambda: next(answers))


def test_a_claim_that_came_too_late_is_not_kept(folder: Path) -> None:
    """The generation was finished, and its claim released, between the question and the claim."""
    answers = iter([False, True])
    late = Claim(LocalPath(folder))
    assert not late.acquire(until=lambda: next(answers))
    assert not late.held
    with Claim(LocalPath(folder)) as other:
        assert other.acquire(wait=False)


def test_claims_on_finished_generations_are_tidied_away(store: Store) -> None:
    for _ in range(2):
        with store.claim(ID) as claim:
            assert claim.acquire()
    assert numbers(store.directory / "claims" / ID) == ["1.json", "2.json"]
    with store.claim(ID) as claim:
        assert claim.acquire()
        (store.directory / "generations" / ID).mkdir(parents=True)
        (store.directory / "generations" / ID / "generation.json").touch()
    assert numbers(store.directory / "claims") == []


OWNER = """
import os, sys, time
from pathlib import Path
from bansweep.store.claims import Claim
from bansweep.store.local_path import LocalPath

claim = Claim(LocalPath(Path(sys.argv[1])), heartbeat_s=float(sys.argv[2]))
assert claim.acquire(wait=False)
print(os.getpid(), flush=True)
while sys.stdin.readline():
    while not claim.lost:
        time.sleep(0.01)
    print(claim.lost, claim.held, flush=True)
    claim.release()
    print("released", flush=True)
"""


@pytest.fixture
def start_owner(start_script: StartScript, folder: Path) -> Iterator[Callable[[float], subprocess.Popen[str]]]:
    """Starts a process that holds the claim and answers lines on its standard input."""
    owners: list[subprocess.Popen[str]] = []

    def start(heartbeat_s: float) -> subprocess.Popen[str]:
        owner = start_script(OWNER, folder, heartbeat_s)
        owners.append(owner)
        assert owner.stdout is not None
        assert int(owner.stdout.readline()) == owner.pid
        return owner

    yield start
    for owner in owners:
        owner.kill()
        owner.communicate()


def test_a_dead_owner_loses_its_claim_at_once(
    folder: Path, start_owner: Callable[[float], subprocess.Popen[str]]
) -> None:
    owner = start_owner(5.0)
    assert not Claim(LocalPath(folder)).acquire(wait=False)
    owner.kill()
    # Not waited for: a zombie is dead as well. An owner that is only silent would keep the claim for an hour.
    with Claim(LocalPath(folder), stale_s=3600.0) as claim:
        wait_for(lambda: claim.acquire(wait=False))


def test_a_silent_owner_loses_its_claim_and_notices(
    folder: Path, start_owner: Callable[[float], subprocess.Popen[str]]
) -> None:
    owner = start_owner(0.05)
    owner.send_signal(signal.SIGSTOP)
    started = time.monotonic()
    with Claim(LocalPath(folder), heartbeat_s=0.05, stale_s=0.4) as claim:
        assert claim.acquire(poll_s=0.02)
        assert time.monotonic() - started >= 0.4
        owner.send_signal(signal.SIGCONT)
        assert owner.stdin is not None
        assert owner.stdout is not None
        owner.stdin.write("lost?\n")
        owner.stdin.flush()
        assert owner.stdout.readline() == "True False\n"
        assert owner.stdout.readline() == "released\n"
        time.sleep(0.2)
        assert claim.held
        assert not Claim(LocalPath(folder)).acquire(wait=False)


def write_claim(folder: Path, content: str) -> None:
    folder.mkdir(parents=True)
    (folder / "7.json").write_text(content)


def foreign_claim(**changes: object) -> str:
    process = {"host": "elsewhere/boot/pid", "pid": os.getpid(), "started": 1, **changes}
    return json.dumps({"owner": "x", "process": process, "heartbeat": 0, "released": False})


@pytest.mark.parametrize("content", ["", "{", "[]", '{"owner": 1}', foreign_claim()])
def test_what_cannot_be_judged_is_left_to_the_heartbeat(folder: Path, content: str) -> None:
    write_claim(folder, content)
    claim = Claim(LocalPath(folder), stale_s=0.3)
    assert not claim.acquire(wait=False)
    started = time.monotonic()
    with claim:
        assert claim.acquire(poll_s=0.02)
        assert time.monotonic() - started > 0.25
    assert numbers(folder) == ["7.json", "8.json"]


def test_a_claim_of_an_earlier_process_of_the_same_number_is_dead(folder: Path) -> None:
    current = ProcessIdentity.current()
    assert current.started is not None
    write_claim(folder, foreign_claim(host=current.host, pid=current.pid, started=current.started - 1))
    with Claim(LocalPath(folder)) as claim:
        assert claim.acquire(wait=False)


def test_silence_is_noticed_across_calls_that_do_not_wait(folder: Path) -> None:
    write_claim(folder, foreign_claim())
    claim = Claim(LocalPath(folder), stale_s=0.06)
    answers = []
    for _ in range(6):
        answers.append(claim.acquire(wait=False))
        time.sleep(0.03)
    claim.release()
    # Each look counts for a third of the time at most, however far apart they are.
    assert answers == [False, False, False, True, True, True]


def test_emptying_the_folder_by_hand_is_losing_the_claim(folder: Path) -> None:
    claim = Claim(LocalPath(folder), heartbeat_s=0.02)
    assert claim.acquire()
    (folder / "1.json").unlink()
    wait_for(lambda: claim.lost)
    with Claim(LocalPath(folder)) as other:
        assert other.acquire(wait=False)
        claim.release()
        assert not Claim(LocalPath(folder)).acquire(wait=False)


CONTENDER = """
import os, random, sys, time
from pathlib import Path
from bansweep.store.claims import Claim
from bansweep.store.local_path import LocalPath

folder, journal, rounds, deadly = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4] == "deadly"
log = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
note = lambda word: os.write(log, f"{os.getpid()} {word}\\n".encode())
sys.stdin.readline()
for _ in range(rounds):
    claim = Claim(LocalPath(folder))
    assert claim.acquire(poll_s=0.0005)
    note("in")
    time.sleep(random.uniform(0, 0.001))
    note("out")
    if deadly and random.random() < 0.02:
        os._exit(9)
    claim.release()
"""


def race(contenders: list[subprocess.Popen[str]]) -> list[int]:
    """Starts the contenders together, and returns their exit statuses."""
    for contender in contenders:
        assert contender.stdin is not None
        contender.stdin.write("go\n")
        contender.stdin.flush()
    for contender in contenders:
        contender.communicate(timeout=PROCESS_S)
    return [contender.returncode for contender in contenders]


def holders_alternate(journal: Path) -> int:
    """How many times the claim was held, having checked that every holder left before the next came in."""
    lines = [line.split() for line in journal.read_text().splitlines()]
    for (came, word_in), (left, word_out) in zip(lines[::2], lines[1::2], strict=True):
        assert (word_in, word_out, came) == ("in", "out", left)
    return len(lines) // 2


def test_processes_that_race_hold_the_claim_one_at_a_time(
    folder: Path, tmp_path: Path, start_script: StartScript
) -> None:
    contenders = [start_script(CONTENDER, folder, tmp_path / "journal", 100, "peaceful") for _ in range(2)]
    assert race(contenders) == [0, 0]
    assert holders_alternate(tmp_path / "journal") == 200


def test_processes_that_die_in_a_race_are_followed_by_one_at_a_time(
    folder: Path, tmp_path: Path, start_script: StartScript
) -> None:
    contenders = [start_script(CONTENDER, folder, tmp_path / "journal", 200, "deadly") for _ in range(4)]
    assert set(race(contenders)) <= {0, 9}
    assert holders_alternate(tmp_path / "journal") >= 4


def test_one_of_many_waiters_takes_over(folder: Path) -> None:
    """Threads that all saw the same dead owner, in many rounds."""
    current = ProcessIdentity.current()
    assert current.started is not None
    dead = foreign_claim(host=current.host, pid=current.pid, started=current.started - 1)
    for round_number in range(30):
        place = folder / str(round_number)
        write_claim(place, dead)
        claims = [Claim(LocalPath(place)) for _ in range(8)]
        barrier = threading.Barrier(len(claims))

        def contend(claim: Claim, barrier: threading.Barrier = barrier) -> None:
            barrier.wait()
            claim.acquire(wait=False)

        threads = [threading.Thread(target=contend, args=(claim,)) for claim in claims]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sum(claim.held for claim in claims) == 1
        for claim in claims:
            claim.release()
