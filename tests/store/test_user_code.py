"""Code that a store holds is run where a sweep at hand names it, and nowhere else."""

from __future__ import annotations

import pytest

from bansweep.config.networks import UserNetwork
from bansweep.config.user_code import UserCode
from bansweep.errors import StoreError
from bansweep.graph.generation import Generation
from bansweep.store.records import GenerationRecord, check_user_code

CODE = "def network(input_shape, classes): ...\n"


@pytest.fixture
def own(record: GenerationRecord) -> GenerationRecord:
    return with_network(record, CODE)


def with_network(record: GenerationRecord, text: str) -> GenerationRecord:
    network = UserNetwork(code=UserCode(file="mine.py", name="network", text=text))
    fields = {name: getattr(record.generation, name) for name in Generation.model_fields}
    generation = Generation.model_validate({**fields, "network": network})
    return record.model_copy(update={"id": generation.id, "generation": generation})


def test_networks_of_this_package_may_always_be_built(record: GenerationRecord) -> None:
    check_user_code(record, planned_id=None)


def test_code_that_the_sweep_names_may_be_run(own: GenerationRecord) -> None:
    check_user_code(own, planned_id=own.generation.id)


def test_code_that_no_sweep_names_is_not_run(own: GenerationRecord) -> None:
    with pytest.raises(StoreError, match=r"mine\.py:network\), which is not run because a store holds it"):
        check_user_code(own, planned_id=None)


def test_code_that_somebody_has_changed_is_not_run(own: GenerationRecord) -> None:
    changed = with_network(own, CODE + "import os\n").model_copy(update={"id": own.id})
    with pytest.raises(StoreError, match="holds other code than the sweep names"):
        check_user_code(changed, planned_id=own.id)
