"""A chain stands for columns, and what is wrong with these is said of the chain."""

from __future__ import annotations

import pytest

from bansweep.config.chain import Stop
from bansweep.config.losses import KdLoss
from bansweep.config.networks import network_from_name
from bansweep.config.reading import parse_sweep
from bansweep.errors import Problem, SweepFileError

BASE = """\
name: chained
data: {kind: digits, limit: 400, validation: 100}
recipe: wide-resnet
networks: [wrn-10-1]
"""
SWEEP = f"""\
{BASE}generations:
  teacher: {{loss: labels}}
  ban: {{loss: kd, teacher: teacher}}
"""


def problems_of(text: str, *overrides: str) -> tuple[Problem, ...]:
    with pytest.raises(SweepFileError) as caught:
        parse_sweep(text, overrides, file="demo.yaml")
    return caught.value.problems


def test_a_chain_is_its_columns_and_their_ensemble() -> None:
    sweep = parse_sweep(f"{BASE}chain: {{loss: kd, length: 3, network: wrn-16-1, seed: 7, stop: {{patience: 2}}}}\n")
    assert list(sweep.generations) == ["teacher", "ban-1", "ban-2", "ban-3"]
    assert [column.teacher for column in sweep.generations.values()] == [None, "teacher", "ban-1", "ban-2"]
    for name in ("ban-1", "ban-2", "ban-3"):
        column = sweep.generations[name]
        assert (column.loss, column.network, column.seed) == (KdLoss(), network_from_name("wrn-16-1"), 7)
    assert sweep.generations["teacher"].network is None
    assert sweep.ensembles["ban-ens"].members == ("ban-1", "ban-2", "ban-3")
    assert sweep.chain[0].stop == Stop(patience=2)


def test_no_ensemble_of_one_nor_where_none_is_wanted() -> None:
    assert not parse_sweep(f"{BASE}chain: {{loss: kd, length: 1}}\n").ensembles
    assert not parse_sweep(f"{BASE}chain: {{loss: kd, length: 3, ensemble: false}}\n").ensembles


def test_chains_go_on_from_columns_and_from_each_other() -> None:
    chains = "[{loss: kd, length: 2, name: a, teacher: ban}, {loss: cwtm, length: 1, name: b, teacher: a-2}]"
    sweep = parse_sweep(f"{SWEEP}ensembles: {{all: [ban, a-2, b-1]}}\nchain: {chains}\n")
    assert sweep.generations["a-1"].teacher == "ban"
    assert sweep.generations["b-1"].teacher == "a-2"


def test_overrides_reach_into_a_chain() -> None:
    text = f"{SWEEP}chain: {{loss: kd, length: 3}}\n"
    assert "ban-5" in parse_sweep(text, ["chain.length=5"]).generations
    assert parse_sweep(text, ["chain.loss.temperature=2"]).generations["ban-3"].loss == KdLoss(temperature=2)
    assert "ban-2" in parse_sweep(BASE, ["chain.length=2", "chain.loss=kd"]).generations
    (problem,) = problems_of(text, "chain.length=x")
    assert (problem.file, problem.key) == ("--set chain.length=x", "chain.length")


@pytest.mark.parametrize("before", [BASE, SWEEP])
@pytest.mark.parametrize(
    ("chain", "key", "message"),
    [
        ("3", "chain", "expected a mapping, not 3"),
        ("none", "chain", "expected a mapping, not 'none'"),
        ("[3]", "chain[0]", "expected a mapping, not 3"),
        ("{loss: kd}", "chain", "'length' is missing"),
        ("{length: 3}", "chain", "'loss' is missing"),
        ("{loss: kd, length: 0}", "chain.length", "greater than or equal to 1, not 0"),
        ("{loss: kd, length: 1.5}", "chain.length", "expected a whole number, not 1.5"),
        ("{loss: kdd, length: 3}", "chain.loss", "unknown kind 'kdd'; did you mean 'kd'?"),
        ("{loss: labels, length: 3}", "chain.loss", "a chain learns from its teacher, and 'labels' does not"),
        ("{loss: kd, length: 3, lenght: 4}", "chain.lenght", "did you mean 'length'?"),
        ("{loss: kd, length: 3, name: a/b}", "chain.name", "letters, digits"),
        ("{loss: kd, length: 3, teacher: nobody}", "chain.teacher", "unknown column 'nobody'"),
        ("{loss: kd, length: 3, teacher: ban-2}", "chain.teacher", "goes round in a circle: ban-1 <- ban-2 <- ban-1"),
        ("{loss: kd, length: 3, network: lstm}", "chain.network", "lstm cannot learn from digits"),
        ("{loss: kd+activations, length: 3, network: wrn-16-2}", "chain.loss", "activations cannot be compared"),
        ("{loss: kd, length: 3, stop: {patience: 0}}", "chain.stop.patience", "greater than or equal to 1, not 0"),
        ("{loss: kd, length: 3, stop: true}", "chain.stop", "expected a mapping, not True"),
        ("[{loss: kd, length: 3}, {loss: kd, length: 2}]", "chain[1]", "'ban-1' is there already, in another chain"),
        ("[{loss: kd, length: 3}, {loss: kd, length: x, name: b, teacher: ban-3}]", "chain[1].length", "not 'x'"),
    ],
)
def test_a_wrong_chain_has_one_problem_with_its_line_and_key(before: str, chain: str, key: str, message: str) -> None:
    (problem,) = problems_of(f"{before}chain: {chain}\n")
    assert (problem.line, problem.key) == (len(before.splitlines()) + 1, key)
    assert message in problem.message


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("  ban-2: {loss: kd, teacher: ban}\n", "its column 'ban-2' is there already, in generations"),
        ("ensembles: {ban-ens: [teacher, ban]}\n", "its column 'ban-ens' is there already, in ensembles"),
    ],
)
def test_names_that_are_taken(more: str, message: str) -> None:
    (problem,) = problems_of(f"{SWEEP}{more}chain: {{loss: kd, length: 3}}\n")
    assert problem.key == "chain"
    assert problem.message == f"{message}; give the chain another 'name'"


def test_a_chain_that_stops_needs_validation_images() -> None:
    text = SWEEP.replace(", validation: 100", "")
    (problem,) = problems_of(f"{text}chain: [{{loss: kd, length: 3}}, {{loss: kd, length: 2, name: b, stop: {{}}}}]\n")
    assert problem.key == "chain[1].stop"
    assert "set data.validation" in problem.message
    assert parse_sweep(f"{text}chain: {{loss: kd, length: 3}}\n").chain[0].stop is None


def test_a_chain_is_in_all_rows() -> None:
    text = SWEEP.replace("teacher: teacher}", "teacher: teacher, skip: [wrn-10-1]}")
    (problem,) = problems_of(f"{text}chain: {{loss: kd, length: 3, teacher: ban, name: b}}\n")
    assert problem.key == "chain.teacher"
    assert "'ban' skips wrn-10-1, and a chain is in all rows" in problem.message
