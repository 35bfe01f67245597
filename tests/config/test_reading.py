"""A sweep file becomes a spec, or a list of everything that is wrong with it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bansweep.config.losses import DkppLoss, KdLoss
from bansweep.config.networks import DenseNet, WideResNet
from bansweep.config.reading import parse_sweep
from bansweep.errors import Problem, SweepFileError

GOOD = """\
name: demo
data: cifar100
recipe: {base: wide-resnet, epochs: 20}
networks:
  - wrn-28-1
  - {kind: wide-resnet, depth: 10, width: 1, dropout: 0.3}
  - {kind: densenet, depth: 40, growth: 12, name: thin}
seeds: [0, 1]
generations:
  teacher: {loss: labels}
  ban: {loss: kd, teacher: teacher}
  dkpp: {loss: {kind: dkpp, permutation: fixed}, teacher: teacher, seed: 3, skip: [thin]}
ensembles:
  pair: [teacher, ban]
  trio: {members: [teacher, ban, dkpp], thin: [teacher, ban]}
paper: table2
"""


def problems_of(text: str, *overrides: str) -> tuple[Problem, ...]:
    with pytest.raises(SweepFileError) as caught:
        parse_sweep(text, overrides, file="demo.yaml")
    return caught.value.problems


def test_a_good_file() -> None:
    sweep = parse_sweep(GOOD)
    assert [row.name for row in sweep.networks] == ["wrn-28-1", "wrn-10-1-dropout0.3", "thin"]
    assert sweep.networks[0].network == WideResNet(depth=28, width=1)
    assert sweep.networks[2].network == DenseNet(depth=40, growth=12)
    assert (sweep.recipe.epochs, sweep.recipe.batch_size, sweep.recipe.decay_at) == (20, 128, (0.3, 0.6, 0.8))
    assert sweep.generations["ban"].loss == KdLoss()
    assert sweep.generations["dkpp"].loss == DkppLoss(permutation="fixed")
    assert sweep.ensembles["trio"].members_in("thin") == ("teacher", "ban")
    assert sweep.ensembles["trio"].members_in("wrn-28-1") == ("teacher", "ban", "dkpp")


def test_the_papers_112_33_is_what_reproduces_its_count() -> None:
    sweep = parse_sweep(GOOD.replace("wrn-28-1", "densenet-112-33"))
    assert sweep.networks[0].name == "densenet-112-33"
    assert sweep.networks[0].network == DenseNet(depth=106, growth=33, final_transition=False)


def test_everything_wrong_is_said_at_once_with_line_and_key() -> None:
    text = """\
name: a/b
data: cifar11
recipe: {base: wide-resnet, epocs: 3, momentum: no}
networks: [wrn-28-1, wm-1, {kind: wide-resnet, depth: 11, width: 1}, {kind: densenet, depth: 40, growht: 3}]
generations:
  teacher: {loss: labls}
  ban: {loss: kd, teacher: teachr}
  lonely: {loss: kd}
  taught: {loss: labels, teacher: ban}
ensembles: {e: [bann]}
paper: table9
"""
    found = {(problem.line, problem.key): problem.message for problem in problems_of(text)}
    assert "did you mean 'cifar10" in found[2, "data"]
    assert found[3, "recipe.epocs"] == "unknown key 'epocs'; did you mean 'epochs'?"
    assert "not 'no'" in found[3, "recipe.momentum"]
    assert "wrn-DEPTH-WIDTH" in found[4, "networks[1]"]
    assert "6n + 4" in found[4, "networks[2]"]
    assert "did you mean 'growth'?" in found[4, "networks[3].growht"]
    assert found[6, "generations.teacher.loss"] == "unknown kind 'labls'; did you mean 'labels'?"
    assert found[7, "generations.ban.teacher"] == "unknown column 'teachr'; did you mean 'teacher'?"
    assert "'teacher' is missing" in found[8, "generations.lonely"]
    assert "has no teacher" in found[9, "generations.taught.teacher"]
    assert found[10, "ensembles.e[0]"] == "unknown column 'bann'; did you mean 'ban'?"
    assert found[11, "paper"] == "unknown table 'table9'; known: table1, table2, table3, table4, table5, table6"
    assert (1, "name") in found


@pytest.mark.parametrize(
    ("old", "new", "key", "message"),
    [
        ("teacher: {loss: labels}", "teacher: {loss: kd, teacher: ban}", "generations.teacher.teacher", "circle"),
        ("ban: {loss: kd, teacher: teacher}", "ban: {loss: kd, teacher: ban}", "generations.ban.teacher", "circle"),
        ("teacher: {loss: labels}", "teacher: {loss: labels, skip: [thin]}", "generations.ban.teacher", "no teacher"),
        ("thin: [teacher, ban]", "wrn-28-1: [teacher]", "ensembles.trio.members[2]", "members of its own"),
        ("skip: [thin]", "skip: [fat]", "generations.dkpp.skip[0]", "unknown row 'fat'"),
        ("pair:", "ban:", "ensembles.ban", "name already"),
        ("seeds: [0, 1]", "seeds: [0, 0]", "seeds[1]", "repeated"),
        ("- wrn-28-1\n", "- wrn-28-1\n  - wrn-28-1\n", "networks[1]", "there already"),
        ("seeds: [0, 1]", "seeds: []", "seeds", "at least one"),
        ("epochs: 20", "epochs: 20, decay_at: [0.5, 0.5]", "recipe", "must rise"),
        ("epochs: 20", "epochs: 20, learning_rate: .nan", "recipe.learning_rate", "finite"),
        ("base: wide-resnet", "base: wide-resnt", "recipe", "did you mean 'wide-resnet'?"),
    ],
)
def test_what_does_not_fit_together(old: str, new: str, key: str, message: str) -> None:
    assert old in GOOD
    found = {problem.key: problem.message for problem in problems_of(GOOD.replace(old, new))}
    assert message in found[key]


def test_set_changes_any_field_and_reaches_into_shorthands() -> None:
    sweep = parse_sweep(
        GOOD,
        ["recipe.epochs=3", "data.limit=256", "generations.ban.loss.kind=cwtm", "seeds=[7]", "networks.0=wrn-10-1"],
    )
    assert sweep.recipe.epochs == 3
    assert (sweep.data.kind, sweep.data.limit) == ("cifar100", 256)
    assert sweep.generations["ban"].loss.kind == "cwtm"
    assert sweep.seeds == (7,)
    assert sweep.networks[0].network == WideResNet(depth=10, width=1)
    named = parse_sweep(
        GOOD.replace("recipe: {base: wide-resnet, epochs: 20}", "recipe: wide-resnet"), ["recipe.epochs=4"]
    )
    assert (named.recipe.epochs, named.recipe.learning_rate) == (4, 0.1)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("recipe.epocs=3", "did you mean 'epochs'?"),
        ("recipe.epochs", "expected key=value"),
        ("recipe.epochs=[1", "not YAML"),
        ("name.first=x", "has no parts"),
        ("networks.9=wrn-10-1", "no position"),
        ("recipe..epochs=3", "empty part in the key"),
        (".epochs=3", "empty part in the key"),
        ("recipe.=3", "empty part in the key"),
        ("foo.bar=[1", "not YAML"),
    ],
)
def test_a_wrong_set_is_named_as_such(override: str, message: str) -> None:
    (problem,) = problems_of(GOOD, override)
    assert problem.file.startswith("--set")
    assert message in problem.message


@pytest.mark.parametrize(
    ("override", "key"),
    [
        ("foo.bar=1", "foo"),
        ("generations.teacher.loss=kd", "generations.teacher"),
        ("generations.ban.loss=labels", "generations.ban.teacher"),
        ("generations.ban.teacher=", "generations.ban"),
        ("recipe.decay_at=[0.9,0.1]", "recipe"),
    ],
)
def test_what_a_set_value_breaks_elsewhere_is_its_fault(override: str, key: str) -> None:
    problems = problems_of(GOOD, override)
    assert ("--set " + override, 0, key) in {(problem.file, problem.line, problem.key) for problem in problems}
    assert all(problem.file == f"--set {override}" for problem in problems)


def test_an_override_that_fails_leaves_nothing_behind() -> None:
    problems = problems_of(GOOD, "foo..bar=1", "recipe.epochs=3")
    assert problems == (Problem("--set", 0, "foo..bar", "empty part in the key"),)


def test_each_is_to_blame_for_its_own_problems_only() -> None:
    text = GOOD.replace("paper: table2", "paper: table9").replace("seed: 3", "sed: 3").replace("[0, 1]", "x")
    problems = problems_of(text, "recipe.epochs=3", "generations.new.loss=kd", "generations.new.teacher=bun", "seeds=x")
    assert {(problem.file, problem.line, problem.key) for problem in problems} == {
        ("demo.yaml", 12, "generations.dkpp.sed"),
        ("demo.yaml", 16, "paper"),
        ("--set generations.new.teacher=bun", 0, "generations.new.teacher"),
        ("--set seeds=x", 0, "seeds"),
    }


@pytest.mark.parametrize(
    ("old", "new", "key", "message"),
    [
        ("[0, 1]", "2", "seeds", "expected a list, not 2: write [2]"),
        ("[teacher, ban]\n  trio", "ban\n  trio", "ensembles.pair", "expected a list, not 'ban': write [ban]"),
        ("[teacher, ban]\n  trio", "[]\n  trio", "ensembles.pair", "an ensemble needs at least one member"),
        ("thin: [teacher, ban]", "thin: []", "ensembles.trio.thin", "an ensemble needs at least one member"),
        ("members: [teacher, ban, dkpp], ", "", "ensembles.trio", "'members' is missing"),
        ("pair: [teacher, ban]", "pair: [ban, ban]", "ensembles.pair[1]", "'ban' is repeated; each member counts once"),
        ("data: cifar100", "data: {kind: folder, root: }", "data.root", "is empty"),
        ("data: cifar100", "data: {kind: }", "data", "'kind' is empty"),
        ("epochs: 20", "epochs: ", "recipe.epochs", "is empty"),
        ("epochs: 20", "epochs: many", "recipe.epochs", "expected a whole number, not 'many'"),
        (
            "name: demo",
            "name: a/b",
            "name",
            "expected letters, digits and . + * _ - , beginning with a letter or digit, not 'a/b'",
        ),
        (
            "pair: [teacher, ban]",
            "pair: {members: [teacher, ban], fat: [ban]}",
            "ensembles.pair.fat",
            "'fat' is neither 'members' nor a row; known: thin, wrn-10-1-dropout0.3, wrn-28-1",
        ),
    ],
)
def test_one_mistake_is_one_problem_in_plain_words(old: str, new: str, key: str, message: str) -> None:
    assert old in GOOD
    (problem,) = problems_of(GOOD.replace(old, new))
    assert (problem.key, problem.message) == (key, message)


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("growth: 12, name: thin", "growth: none, nam: thin", "networks[2]"),
        ("teacher: {loss: labels}", "teacher: ", "generations.teacher"),
    ],
)
def test_a_mistake_is_not_told_again_where_others_refer_to_it(old: str, new: str, key: str) -> None:
    assert all(problem.key.startswith(key) for problem in problems_of(GOOD.replace(old, new)))


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "---\n"])
def test_an_empty_file_is_one_problem(text: str) -> None:
    assert problems_of(text) == (Problem("demo.yaml", 0, "", "the file is empty"),)


def test_of_a_file_that_is_no_sweep_the_first_problems_say_enough() -> None:
    no_sweep = "".join(f"word{number}: text\n" for number in range(60))
    problems = problems_of(no_sweep)
    assert len(problems) == 21
    assert problems[-1].message == "... and 45 more", "60 unknown keys and 5 missing ones, less 20"
    assert len(problems_of("".join(f"a: {number}\n" for number in range(60)))) == 21


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_mangled_files_are_accepted_or_explained(data: st.DataObject) -> None:
    lines = GOOD.splitlines()
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, len(lines) - 1))
        line = lines[position]
        start = data.draw(st.integers(0, len(line)))
        end = data.draw(st.integers(start, min(len(line), start + 6)))
        lines[position] = line[:start] + data.draw(st.text(alphabet=" :,[]{}-&*'\"#ae10.\n!|", max_size=4)) + line[end:]
    try:
        parse_sweep("\n".join(lines), file="demo.yaml")
    except SweepFileError as error:
        assert error.problems
        assert all(problem.message for problem in error.problems)


@pytest.mark.parametrize("key", ["recipe", "networks[0].recipe"])
def test_a_key_of_another_recipe_is_blamed_itself_and_with_all_else(key: str) -> None:
    wrong = "{base: wide-resnet, window: 35, momentum: no, epocs: 3}"
    text = (
        GOOD.replace("{base: wide-resnet, epochs: 20}", wrong)
        if key == "recipe"
        else GOOD.replace("- wrn-28-1\n", f"- {{name: wrn-28-1, network: wrn-28-1, recipe: {wrong}}}\n")
    )
    found = {problem.key: problem.message for problem in problems_of(text)}
    assert found.keys() == {f"{key}.window", f"{key}.momentum", f"{key}.epocs"}
    message = (
        "'window' is no key of the recipe 'wide-resnet', but of lstm and cnn-lstm; known: augmentation, batch_size"
    )
    assert found[f"{key}.window"].startswith(message)
    assert found[f"{key}.epocs"] == "unknown key 'epocs'; did you mean 'epochs'?"


def test_a_text_recipe_has_no_key_of_an_image_recipe() -> None:
    text = GOOD.replace("{base: wide-resnet, epochs: 20}", "{base: lstm, decay_at: [0.5]}")
    (problem,) = (problem for problem in problems_of(text) if problem.key == "recipe.decay_at")
    assert problem.message == (
        "'decay_at' is no key of the recipe 'lstm', but of wide-resnet; did you mean 'decay_factor'?"
    )


def test_a_whole_recipe_without_a_base_is_still_read_by_its_keys() -> None:
    written_out = "{epochs: 2, batch_size: 4, window: 5, learning_rate: 1, decay_factor: 0.5, decay_threshold: 0}"
    found = problems_of(GOOD.replace("{base: wide-resnet, epochs: 20}", written_out))
    assert {(problem.key, problem.message) for problem in found} == {("recipe", "'clip_norm' is missing")}
