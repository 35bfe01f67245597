"""A sweep whose store is on an S3 server, and which another machine goes on with."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
from demo_sweep import Command, ended, ids_of, plan_of, wait_until
from trained_here import trained_here

from bansweep.config.data import Digits
from bansweep.data.prepare import prepare
from bansweep.store.store import Store

pytestmark = pytest.mark.ray


def test_another_machine_goes_on_with_a_sweep(
    start: Command, sweep_file: Path, bucket: str, s3_settings: dict[str, str], tmp_path: Path
) -> None:
    location = f"{bucket}/store"
    store, ids = Store(location), ids_of(plan_of(sweep_file, "recipe.epochs=24"))
    ids = {column: ids[column] for column in ("teacher", "ban")}
    options = ("--json", "--only", "teacher", "--only", "ban", "--set", "recipe.epochs=24")
    arguments = ("run", sweep_file, "--store", location, *options)

    def machine(name: str) -> dict[str, str]:
        """All that a machine has of its own are its cache and what it knows of the server."""
        prepare(Digits(), tmp_path / name)
        return {**s3_settings, "BANSWEEP_CACHE": str(tmp_path / name)}

    first = start(*arguments, env=machine("first"))
    wait_until(lambda: store.epochs_done(ids["ban"]) >= 2, first)
    first.send_signal(signal.SIGTERM)
    _, messages = ended(first, 75)
    assert "the same command goes on from here" in messages
    finished, begun = store.finished(ids.values()), store.epochs_done(ids["ban"])
    assert finished == {ids["teacher"]}
    assert 2 <= begun < 24
    records = {one: store.record(one) for one in finished}

    out, messages = ended(start(*arguments, env=machine("second")))
    document = json.loads(out)
    assert document["reused"] == [ids["teacher"]]
    assert document["trained"] == [ids["ban"]]
    assert f"after epoch {begun}" in messages
    assert {one: store.record(one) for one in finished} == records, "what was finished is left as it was"
    assert len(store.history(ids["ban"])) == 24
    assert store.begun() == frozenset()
    logs = [name for name in store.sweep_path("demo").names() if name.startswith("run-")]
    assert len(logs) == 2, "each machine leaves its own log"

    # And it is the same sweep as in a folder, to the last bit of its weights.
    local = trained_here(sweep_file, tmp_path / "local", ["teacher", "ban"], "recipe.epochs=24")
    for one in ids.values():
        assert local.weights(one) == store.weights(one)
