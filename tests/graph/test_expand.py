"""Sweep files become graphs in which each distinct generation stands once."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from bansweep.config.reading import parse_sweep, read_sweep
from bansweep.data.fingerprint import data_identities
from bansweep.graph.expand import expand, expansions
from bansweep.graph.generation import DataIdentity, Generation, canonical_json, effective_seed, id_of_version
from bansweep.graph.plan import Plan

DATA = DataIdentity(kind="cifar100", fingerprint="0123abcd")

# Table 2 of the paper.
TABLE2 = """\
name: table2
data: cifar100
recipe: wide-resnet
networks: [densenet-112-33, densenet-90-60, densenet-80-80, densenet-80-120]
generations:
  teacher: {loss: labels}
  ban:     {loss: kd, teacher: teacher}
  ban+l:   {loss: kd+labels, teacher: teacher}
  cwtm:    {loss: cwtm, teacher: teacher}
  dkpp:    {loss: dkpp, teacher: teacher}
  ban-1:   {loss: kd, teacher: teacher, seed: 1}
  ban-2:   {loss: kd, teacher: ban-1}
  ban-3:   {loss: kd, teacher: ban-2, skip: [densenet-80-120]}
ensembles:
  ens*2: [ban-1, ban-2]
  ens*3: {members: [ban-1, ban-2, ban-3], densenet-80-120: [teacher, ban-1, ban-2]}
"""


def plan_of(text: str, *overrides: str) -> Plan:
    return expand(parse_sweep(text, overrides), DATA)


def generation_in(plan: Plan, row: str, column: str, replica_seed: int = 0) -> Generation:
    (cell,) = (c for c in plan.cells if (c.row, c.column, c.replica_seed) == (row, column, replica_seed))
    return plan.generations[cell.generation_id]


def test_table_2_has_31_distinct_generations() -> None:
    plan = plan_of(TABLE2)
    assert len(plan.generations) == 31
    assert Counter(g.generation_index for g in plan.generations.values()) == {0: 4, 1: 20, 2: 4, 3: 3}
    assert len(plan.cells) == 31
    assert len(plan.ensembles) == 8


def test_teachers_come_first_and_ids_are_their_own() -> None:
    plan = plan_of(TABLE2)
    seen: set[str] = set()
    for generation_id, generation in plan.generations.items():
        assert generation.id == generation_id
        assert generation.teacher is None or generation.teacher in seen
        seen.add(generation_id)


def test_a_chain_links_each_generation_to_the_one_before() -> None:
    plan = plan_of(TABLE2)
    chain = [generation_in(plan, "densenet-80-80", column) for column in ("teacher", "ban-1", "ban-2", "ban-3")]
    assert [g.generation_index for g in chain] == [0, 1, 2, 3]
    assert [g.teacher for g in chain] == [None, chain[0].id, chain[1].id, chain[2].id]
    assert len({g.seed for g in chain}) == 4, "every generation starts from a fresh seed"


def test_ban_and_ban_1_differ_in_their_seed_only() -> None:
    plan = plan_of(TABLE2)
    ban, ban_1 = generation_in(plan, "densenet-90-60", "ban"), generation_in(plan, "densenet-90-60", "ban-1")
    assert ban.id != ban_1.id
    assert ban.model_copy(update={"seed": ban_1.seed}) == ban_1


def test_equal_columns_are_one_generation() -> None:
    plan = plan_of(TABLE2 + "paper: table2\n", "generations.ban-1.seed=0")
    assert generation_in(plan, "densenet-90-60", "ban").id == generation_in(plan, "densenet-90-60", "ban-1").id
    assert len(plan.generations) == 31 - 4
    assert plan.label(generation_in(plan, "densenet-90-60", "ban").id) == "densenet-90-60 / ban, ban-1"


def test_replicas_share_nothing() -> None:
    plan = plan_of(TABLE2, "seeds=[0, 1, 2]")
    assert len(plan.generations) == 3 * 31
    assert "(seed 1)" in plan.label(generation_in(plan, "densenet-90-60", "ban", 1).id)


@pytest.mark.parametrize(
    "override",
    [
        "name=other",
        "resources.workers=2",
        "resources.concurrency=3",
        "resources.compile=false",
        "resources.recompute=true",
        "paper=table3",
    ],
)
def test_ids_ignore_what_cannot_change_the_result(override: str) -> None:
    assert list(plan_of(TABLE2, override).generations) == list(plan_of(TABLE2).generations)


@pytest.mark.parametrize(
    "override",
    [
        "recipe.epochs=199",
        "recipe.learning_rate=0.05",
        "recipe.augmentation.flip=false",
        "recipe.augmentation=null",
        "resources.precision=bf16",
        "seeds=[1]",
    ],
)
def test_ids_change_with_whatever_can(override: str) -> None:
    assert not set(plan_of(TABLE2, override).generations) & set(plan_of(TABLE2).generations)


def test_a_changed_teacher_changes_its_descendants_only() -> None:
    before, after = plan_of(TABLE2), plan_of(TABLE2, "generations.ban-1.loss=cwtm")
    changed = {c.column for c in after.cells if c.generation_id not in before.generations}
    assert changed == {"ban-1", "ban-2", "ban-3"}


def test_data_is_part_of_the_identity() -> None:
    sweep = parse_sweep(TABLE2)
    for other in (DATA.model_copy(update={"fingerprint": "x"}), DATA.model_copy(update={"validation": 5000})):
        assert not set(expand(sweep, other).generations) & set(expand(sweep, DATA).generations)


def test_the_identity_is_pinned() -> None:
    """Stores outlive versions: a change here orphans every stored generation and needs a new IDENTITY_VERSION."""
    teacher = generation_in(plan_of(TABLE2), "densenet-90-60", "teacher")
    assert canonical_json(teacher) == (
        '{"data":{"fingerprint":"0123abcd","kind":"cifar100"},"loss":{"kind":"labels"},'
        '"network":{"depth":90,"growth":60,"kind":"densenet"},"precision":"fp32",'
        '"recipe":{"augmentation":{},"batch_size":128,"decay_at":[0.3,0.6,0.8],"decay_factor":0.2,"epochs":200,'
        '"learning_rate":0.1,"momentum":0.9,"nesterov":true,"weight_decay":0.0005},'
        f'"seed":{effective_seed(0, 0, 0)},"version":2}}'
    )
    assert effective_seed(0, 0, 0) == 3051931488724851722
    assert teacher.id == "a07568bb3d796d97"
    # Old stores have records under the ids of the former version.
    assert id_of_version(teacher, 1) == "cb55f4bfe0e76b01"


def test_defaults_that_ids_leave_out_are_pinned() -> None:
    """A changed default would silently give old results for new settings: raise IDENTITY_VERSION with it."""
    from bansweep.config.losses import ActivationsLoss, CwtmLoss, DkppLoss, KdLabelsLoss, KdLoss, LabelsLoss
    from bansweep.config.networks import DenseNet, WideResNet
    from bansweep.config.recipes import Augmentation

    assert WideResNet(depth=10, width=1).model_dump() == {
        "kind": "wide-resnet",
        "depth": 10,
        "width": 1,
        "dropout": 0.0,
    }
    assert DenseNet(depth=10, growth=1).model_dump() == {
        "kind": "densenet",
        "depth": 10,
        "growth": 1,
        "stem": None,
        "compression": 0.5,
        "final_transition": True,
        "dropout": 0.0,
    }
    assert LabelsLoss().model_dump() == {"kind": "labels", "smoothing": 0.0}
    assert KdLoss().model_dump() == {"kind": "kd", "temperature": 1.0}
    assert KdLabelsLoss().model_dump() == {"kind": "kd+labels", "temperature": 1.0, "mixing": None}
    assert CwtmLoss().model_dump() == {"kind": "cwtm", "confidence": "max"}
    assert DkppLoss().model_dump() == {"kind": "dkpp", "permutation": "fresh"}
    assert ActivationsLoss().model_dump() == {"kind": "kd+activations", "weight": 1.0, "ramp": "constant"}
    assert Generation.model_fields["shared_layers"].default == "none"
    assert Augmentation().model_dump() == {"pad": 4, "fill": "reflect", "flip": True}
    assert DataIdentity(kind="k", fingerprint="f").model_dump(exclude={"kind", "fingerprint"}) == {
        "validation": 0,
        "limit": None,
        "test_limit": None,
    }


SEARCHED = """\
name: searched
data: {kind: cifar10, validation: 5000}
recipe: wide-resnet
networks: [wrn-28-1]
generations:
  teacher: {loss: labels}
  ban: {loss: kd, teacher: teacher, search: none}
"""
SEARCH = "search={parameters: {recipe.learning_rate: [0.1, 0.2]}, candidates: 2}"


def test_a_search_is_part_of_the_identity_and_of_that_of_students() -> None:
    assert not set(plan_of(SEARCHED, SEARCH).generations) & set(plan_of(SEARCHED).generations)
    own = plan_of(SEARCHED, f"generations.ban.{SEARCH}")
    assert generation_in(own, "wrn-28-1", "teacher") == generation_in(plan_of(SEARCHED), "wrn-28-1", "teacher")
    assert generation_in(own, "wrn-28-1", "ban").search is not None


@pytest.mark.parametrize(
    "override",
    [
        "search.candidates=3",
        "search.sampler=tpe",
        "search.pruner=asha",
        "search.pruner=median",
        "search.parameters.recipe.learning_rate=[0.1, 0.3]",
        "search.parameters.recipe.learning_rate={uniform: [0.1, 0.2]}",
        "search.parameters.recipe.momentum=[0.9]",
        "select.metric=validation_loss",
        "select.epoch=best",
    ],
)
def test_ids_change_with_whatever_can_change_who_wins(override: str) -> None:
    assert not set(plan_of(SEARCHED, SEARCH, override).generations) & set(plan_of(SEARCHED, SEARCH).generations)


@pytest.mark.parametrize("override", ["search.keep=all", "select.metric=validation_error", "budget.gpu_hours=1"])
def test_ids_ignore_what_is_kept_of_a_search(override: str) -> None:
    assert list(plan_of(SEARCHED, SEARCH, override).generations) == list(plan_of(SEARCHED, SEARCH).generations)


def test_where_nothing_is_chosen_the_metric_changes_no_id() -> None:
    plain = plan_of(SEARCHED)
    assert list(plan_of(SEARCHED, "select.metric=validation_loss").generations) == list(plain.generations)
    best = plan_of(SEARCHED, "select.epoch=best")
    assert not set(best.generations) & set(plain.generations)
    by_loss = plan_of(SEARCHED, "select={epoch: best, metric: validation_loss}")
    assert not set(by_loss.generations) & set(best.generations)


def test_the_identity_of_a_search_is_pinned() -> None:
    searched = generation_in(plan_of(SEARCHED, SEARCH, "search.pruner=asha"), "wrn-28-1", "teacher")
    content = canonical_json(searched)
    assert (
        '"search":{"candidates":2,"parameters":{"recipe.learning_rate":{"kind":"choice","values":[0.1,0.2]}},'
        '"pruner":{"kind":"asha"}}' in content
    )
    assert '"select":{"metric":"validation_error"}' in content
    plain = generation_in(plan_of(SEARCHED), "wrn-28-1", "teacher")
    assert '"search"' not in canonical_json(plain)
    assert '"select"' not in canonical_json(plain)


def test_a_chain_is_its_columns_written_out() -> None:
    written = """\
name: written
data: {kind: cifar10, validation: 5000}
recipe: wide-resnet
networks: [wrn-28-1, wrn-28-2]
seeds: [0, 1]
generations:
  teacher: {loss: labels}
  ban-1: {loss: {kind: kd, temperature: 2}, teacher: teacher, network: wrn-16-1, seed: 3}
  ban-2: {loss: {kind: kd, temperature: 2}, teacher: ban-1, network: wrn-16-1, seed: 3}
  ban-3: {loss: {kind: kd, temperature: 2}, teacher: ban-2, network: wrn-16-1, seed: 3}
ensembles: {ban-ens: [ban-1, ban-2, ban-3]}
"""
    columns = written[written.index("generations:") :]
    chain = "chain: {loss: {kind: kd, temperature: 2}, length: 3, network: wrn-16-1, seed: 3, stop: {patience: 2}}\n"
    by_hand, chained = plan_of(written), plan_of(written.replace(columns, chain))
    assert chained.cells == by_hand.cells
    assert chained.ensembles == by_hand.ensembles
    assert chained.generations == by_hand.generations
    longer = plan_of(written.replace(columns, chain), "chain.length=4")
    assert set(longer.generations) > set(chained.generations), "what is trained counts for a longer chain, too"


ZEROS = """\
name: zeros
data: digits
recipe: {base: wide-resnet, epochs: 2}
networks: [wrn-10-1]
generations:
  teacher: {loss: labels}
  ban: {loss: kd, teacher: teacher}
"""
# Ids that the version before the normalisation gave.
FORMER = {
    ("data=digits",): ["f0fd28cbd3acffdd", "1bd04dbf30de1750"],
    ("data={kind: digits, limit: 1437}",): ["5849165b034ce585", "39afb34d2c9cf3af"],
    ("data={kind: digits, test_limit: 360}",): ["dd3a59d187e54a86", "8133703e57335840"],
    ("data={kind: digits, limit: 1437, test_limit: 360}",): ["2b65e94f6e3b3ad6", "725f75c40a400d91"],
    ("data={kind: digits, validation: 100}",): ["27da33741324b213", "7c675edbdbda9d23"],
    ("data={kind: digits, limit: 1337, validation: 100}",): ["922315f6fdeddd9b", "420562e750e3ae99"],
    ("recipe.weight_decay=0.0",): ["9bf369d95a069978", "100c03e439292ce1"],
    ("recipe.weight_decay=-0.0",): ["11959d2e24299f32", "6eebf99d58ffdf2d"],
}
SAME = [
    ("data=digits", "data={kind: digits, limit: 1437}"),
    ("data=digits", "data={kind: digits, test_limit: 360}"),
    ("data=digits", "data={kind: digits, limit: 1437, test_limit: 360}"),
    ("data={kind: digits, validation: 100}", "data={kind: digits, limit: 1337, validation: 100}"),
    ("recipe.weight_decay=0.0", "recipe.weight_decay=-0.0"),
]


@pytest.mark.parametrize(("normalised", "other"), SAME)
def test_the_same_training_has_one_id_and_its_former_ids_are_known(normalised: str, other: str) -> None:
    sweep, same = parse_sweep(ZEROS, [normalised]), parse_sweep(ZEROS, [other])
    plans = [list(plan.generations) for plan in expansions(same, data_identities(same.data))]
    assert plans[0] == FORMER[normalised,]
    assert FORMER[other,] in plans[1:]
    assert list(next(expansions(sweep, data_identities(sweep.data))).generations) == plans[0]


@pytest.mark.parametrize("limits", ["limit: 1436", "limit: 1437, test_limit: 359", "limit: 1337, validation: 99"])
def test_a_limit_that_leaves_something_out_stays_in_the_id(limits: str) -> None:
    sweep = parse_sweep(ZEROS, [f"data={{kind: digits, {limits}}}"])
    whole = parse_sweep(ZEROS, ["data={kind: digits, validation: 99}" if "validation" in limits else "data=digits"])
    ids = next(expansions(sweep, data_identities(sweep.data))).generations.keys()
    assert not ids & next(expansions(whole, data_identities(whole.data))).generations.keys()


def test_negative_zeros_among_searched_values_change_no_id() -> None:
    def with_zero(zero: str) -> Plan:
        return plan_of(SEARCHED, f"search={{parameters: {{recipe.weight_decay: [{zero}, 0.1]}}, candidates: 2}}")

    assert list(with_zero("-0.0").generations) == list(with_zero("0.0").generations)


def test_negative_zeros_among_arguments_of_user_code_change_no_id(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text("def penalised(student, labels, teacher, *, weight):\n    return student\n")

    def ids(zero: str) -> list[str]:
        path = tmp_path / "sweep.yaml"
        loss = f"{{kind: python, code: own.py:penalised, arguments: {{weight: [{zero}]}}}}"
        path.write_text(ZEROS.replace("loss: kd", f"loss: {loss}"))
        plan = expand(read_sweep(path), DATA)
        (own,) = (one.loss for one in plan.generations.values() if one.teacher is not None)
        assert repr(own.arguments["weight"]) == "[0.0]", "user code gets what the id says"  # type: ignore[union-attr]
        return list(plan.generations)

    assert ids("-0.0") == ids("0.0")
