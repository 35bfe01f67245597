"""`bansweep.run` in a notebook, a service or beside the caller's own use of Ray: it leaves the process as it was."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from demo_sweep import TINY


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY)
    return path


def from_python(script: str, tiny: Path, environment: dict[str, str], **env: str) -> dict[str, object]:
    """What a script prints as JSON in its last line; it finds the sweep in `sweep`, and the store in `store`."""
    start = f"""\
        import asyncio, json, os, signal, sys, threading
        import bansweep
        sweep = bansweep.load_sweep({str(tiny)!r})
        store = {str(tiny.with_name("store"))!r}
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(start) + textwrap.dedent(script)],
        capture_output=True,
        text=True,
        env={**environment, **env},
        check=False,
        # Tests that run in the background have Ctrl-C ignored, and ignoring is inherited.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return result


IN_A_THREAD = """
    from concurrent.futures import ThreadPoolExecutor

    async def service():
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(2) as pool:
            other = bansweep.load_sweep(FILE, {"seeds": [1]})
            calls = [loop.run_in_executor(pool, bansweep.run, one, store) for one in (sweep, other)]
            return await asyncio.gather(*calls)

    results = asyncio.run(service())
    import ray
    print(json.dumps({"trained": [len(result.trained) for result in results], "connected": ray.is_initialized()}))
"""

AFTER_A_FAILURE = """
    import ray
    try:
        bansweep.run(sweep, store)
    except bansweep.BansweepError as error:
        first = str(error)
    left = ray.is_initialized()
    del os.environ["TMPDIR"]

    async def cell():
        return bansweep.run(sweep, store)

    result = asyncio.run(cell())
    print(json.dumps({"first": first, "left": left, "trained": len(result.trained), "after": ray.is_initialized()}))
"""

CONNECTED_ALREADY = """
    import ray
    from ray.util import placement_group_table
    from bansweep.store.store import Store

    port = ray.init("local", num_cpus=1, include_dashboard=False).address_info["gcs_address"].rpartition(":")[2]
    elsewhere = ""
    try:
        bansweep.run(sweep, store, address="127.0.0.1:9")
    except bansweep.BansweepError as error:
        elsewhere = str(error)

    long = bansweep.load_sweep(FILE, {"recipe.epochs": 3000})
    (generation,) = long.plan().generations

    def interrupt():
        while not Store(store).epochs_done(generation):
            threading.Event().wait(0.1)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    try:
        bansweep.run(long, store)
        interrupted = False
    except KeyboardInterrupt:
        interrupted = True
    groups = sorted({group["state"] for group in placement_group_table().values()})
    result = bansweep.run(sweep, store, address=f"localhost:{port}")  # another name of the same cluster
    told = {"interrupted": interrupted, "groups": groups, "trained": len(result.trained)}
    answer = ray.get(ray.remote(lambda: 42).remote())
    print(json.dumps({**told, "answer": answer, "elsewhere": elsewhere}))
"""

DEAD = """
    import ray
    node = ray.init("local", num_cpus=1, include_dashboard=False)
    from ray._private import worker
    from bansweep.store.store import Store

    long = bansweep.load_sweep(FILE, {"recipe.epochs": 3000})
    (generation,) = long.plan().generations
    raylet = worker._global_node.all_processes["raylet"][0].process

    def kill():
        while not Store(store).epochs_done(generation):
            threading.Event().wait(0.1)
        raylet.kill()

    threading.Thread(target=kill, daemon=True).start()
    try:
        bansweep.run(long, store)
        first = ""
    except bansweep.BansweepError as error:
        first = str(error)
    ray.shutdown()
    trained = len(bansweep.run(sweep, store).trained)
    print(json.dumps({"first": first, "trained": trained}))
"""


@pytest.mark.ray
@pytest.mark.slow
def test_calls_from_executor_threads_take_turns(tiny: Path, environment: dict[str, str]) -> None:
    result = from_python(IN_A_THREAD.replace("FILE", repr(str(tiny))), tiny, environment)
    assert result == {"trained": [1, 1], "connected": False}


@pytest.mark.ray
def test_a_failed_start_leaves_nothing_behind_and_a_call_in_a_running_event_loop_works(
    tiny: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    folder = tmp_path / ("x" * 90)
    folder.mkdir()
    result = from_python(AFTER_A_FAILURE, tiny, environment, TMPDIR=str(folder))
    assert "too long" in str(result.pop("first"))
    assert result == {"left": False, "trained": 1, "after": False}


@pytest.mark.ray
def test_a_connection_of_the_caller_is_used_left_open_and_has_its_processors_back_after_ctrl_c(
    tiny: Path, environment: dict[str, str]
) -> None:
    result = from_python(CONNECTED_ALREADY.replace("FILE", repr(str(tiny))), tiny, environment)
    assert "ray.shutdown() first" in str(result.pop("elsewhere"))
    assert result == {"interrupted": True, "groups": ["REMOVED"], "trained": 1, "answer": 42}


@pytest.mark.ray
@pytest.mark.slow
def test_after_a_death_the_caller_is_told_to_close_the_connection(tiny: Path, environment: dict[str, str]) -> None:
    result = from_python(DEAD.replace("FILE", repr(str(tiny))), tiny, environment)
    assert "died: its raylet" in str(result["first"])
    assert "call ray.shutdown(), then run the same command to resume" in str(result["first"])
    assert result["trained"] == 1
