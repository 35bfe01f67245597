"""Records that were published are accepted as what they are: nothing finished is trained again."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_up_generation import made_up_record

from bansweep.config.networks import UserNetwork
from bansweep.config.reading import read_sweep
from bansweep.config.user_code import UserCode
from bansweep.errors import DamagedError
from bansweep.graph.candidates import variants
from bansweep.graph.expand import expand
from bansweep.graph.generation import DataIdentity, Generation
from bansweep.store.local_path import LocalPath
from bansweep.store.publishing import check_identity, former_ids
from bansweep.store.records import GenerationRecord, decode_record, encode_record, sealed
from bansweep.store.store import Store

ROOT = Path(__file__).parents[2]
SWEEPS = sorted(ROOT.glob("sweeps/*.yaml"))
PATH = LocalPath(Path("/store/generations/id/generation.json"))


def read_again(record: GenerationRecord) -> GenerationRecord:
    return decode_record(encode_record(sealed(record, {})), PATH)


@pytest.mark.parametrize("sweep", SWEEPS, ids=lambda path: path.stem)
def test_every_generation_and_candidate_is_itself_once_it_is_read_again(sweep: Path) -> None:
    """Searched generations too, in whose name their winner is published."""
    plan = expand(read_sweep(sweep), DataIdentity(kind="any", fingerprint="ab" * 32, limit=256, validation=16))
    some = list(plan.generations.values())[:40]
    for generation in {one.id: one for each in some for one in (each, *variants(each))}.values():
        check_identity(read_again(made_up_record(generation)), generation.id, PATH)


def test_what_json_writes_otherwise_is_the_same(record: GenerationRecord) -> None:
    arguments = {"a": -0.0, "b": 1e-323, "c": 2**80, "d": 0.1 + 0.2, "e": [1, 1.0, None, {"ü": "\u2028"}]}
    code = UserCode(file="mine.py", name="network", text="def network(*anything, **more): ...\n# é\n")
    fields = {
        **record.generation.model_dump(),
        "network": UserNetwork(code=code, arguments=arguments),
        "seed": 2**63 - 1,
    }
    generation = Generation(**fields)
    check_identity(read_again(made_up_record(generation)), generation.id, PATH)


def test_the_kept_results_are_accepted() -> None:
    store = Store(ROOT / "results" / "cpu")
    assert len(store.ids()) > 100
    for one in store.ids():
        record = store.record(one)
        assert record is not None
        assert [ancestor.id for ancestor in store.lineage(record)][-1] == one


def test_a_record_under_a_former_versions_id_is_accepted(record: GenerationRecord) -> None:
    [former] = former_ids(record.generation)
    assert former != record.id
    check_identity(record.model_copy(update={"id": former}), former, PATH)
    with pytest.raises(DamagedError, match="does not match its id"):
        check_identity(record.model_copy(update={"id": "0" * 16}), "0" * 16, PATH)
    with pytest.raises(DamagedError, match=f"is the record of {record.id}"):
        check_identity(record, former, PATH)
