"""Which files are read for damage, and that what is set aside is damaged still."""

from __future__ import annotations

from collections.abc import Callable

import fsspec
import pytest

from bansweep.graph.generation import Generation
from bansweep.graph.results import EpochReport
from bansweep.store import publishing as published
from bansweep.store.claims import Claim
from bansweep.store.object_path import ObjectPath
from bansweep.store.parquet_tables import Predictions
from bansweep.store.records import GenerationRecord
from bansweep.store.store import Store

Publish = Callable[[Generation], GenerationRecord]


@pytest.fixture
def remote() -> Store:
    filesystem = fsspec.filesystem("memory", skip_instance_cache=True)
    filesystem.store, filesystem.pseudo_dirs = {}, [""]
    return Store(ObjectPath(filesystem, "memory", "/bucket/store"))


@pytest.fixture
def publish(
    remote: Store, record: GenerationRecord, weights: bytes, history: tuple[EpochReport, ...], predictions: Predictions
) -> Publish:
    def one(generation: Generation) -> GenerationRecord:
        renamed = record.model_copy(update={"id": generation.id, "generation": generation})
        return remote.publish(renamed, weights=weights, history=history, predictions=predictions)

    return one


@pytest.fixture
def chain(record: GenerationRecord) -> list[Generation]:
    """A teacher, its student, and that one's."""
    teacher = record.generation
    student = Generation.model_validate({**teacher.model_dump(), "teacher": teacher.id, "generation_index": 2})
    return [
        teacher,
        student,
        Generation.model_validate({**teacher.model_dump(), "teacher": student.id, "generation_index": 3}),
    ]


def damage(store: Store, record: GenerationRecord, name: str) -> None:
    path = store._layout.generation(record.id) / record.folder / name
    path.replace(b"damaged")


def test_weights_are_read_where_one_that_is_not_finished_learns_from_them(
    remote: Store, publish: Publish, chain: list[Generation]
) -> None:
    generations = {one.id: one for one in chain}
    records = [publish(one) for one in chain]
    damage(remote, records[0], "weights.safetensors")
    assert remote.set_aside_damaged(generations) == {}, "all are finished: nobody needs them"
    damage(remote, records[1], "predictions.parquet")
    said = remote.set_aside_damaged(generations)
    assert said.keys() == {chain[0].id, chain[1].id}, "the student's damage makes its teacher's matter"
    assert remote.ids() == (chain[2].id,)
    assert "weights.safetensors is damaged" in said[chain[0].id]


def test_one_that_another_process_has_set_aside_and_trained_again_stays(
    remote: Store, publish: Publish, chain: list[Generation], monkeypatch: pytest.MonkeyPatch
) -> None:
    record = publish(chain[0])
    damage(remote, record, "history.parquet")

    def be_late(claim: Claim, **options: object) -> bool:
        """Between our look and our claim, another process has done it all."""
        monkeypatch.undo()
        published.set_aside(remote._layout, record.id)
        publish(chain[0])
        return claim.acquire(**options)  # type: ignore[arg-type]

    monkeypatch.setattr(Claim, "acquire", be_late)
    assert remote.set_aside_damaged({record.id: chain[0]}) == {}
    assert remote.ids() == (record.id,)


def test_one_that_is_gone_is_left_to_whoever_has_taken_it(
    remote: Store, publish: Publish, chain: list[Generation], monkeypatch: pytest.MonkeyPatch
) -> None:
    record = publish(chain[0])
    damage(remote, record, "history.parquet")

    def be_late(claim: Claim, **options: object) -> bool:
        monkeypatch.undo()
        published.set_aside(remote._layout, record.id)
        return claim.acquire(**options)  # type: ignore[arg-type]

    monkeypatch.setattr(Claim, "acquire", be_late)
    assert remote.set_aside_damaged({record.id: chain[0]}) == {}
    assert sum(name.startswith(".damaged-") for name in remote._layout.generations.names()) == 1
