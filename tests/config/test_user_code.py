"""Code of the user's own in a sweep file: found, parsed, and never run."""

from __future__ import annotations

from pathlib import Path

import pytest

from bansweep.config.losses import UserLoss
from bansweep.config.networks import UserNetwork
from bansweep.config.reading import read_sweep
from bansweep.config.sweep import SweepSpec
from bansweep.config.user_code import MAX_BYTES, UserCode, code_files, with_digests
from bansweep.errors import SweepFileError
from bansweep.graph.expand import expand
from bansweep.graph.generation import DataIdentity

CODE = """\
raise RuntimeError("reading a sweep file runs nothing")

def penalised(student, teacher, labels, *, penalty=0.1, power):
    ...

class Perceptron:
    def __init__(self, input_shape, classes, hidden=8):
        ...
"""
SWEEP = """\
name: own
data: digits
recipe: wide-resnet
networks:
  - {kind: python, code: "code/own.py:Perceptron", arguments: {hidden: 4}}
  - {name: wide, kind: python, code: "code/own.py:Perceptron", arguments: {hidden: 9}}
generations:
  teacher: {loss: labels}
  own: {loss: {kind: python, code: "code/own.py:penalised", arguments: {power: 2}}, teacher: teacher}
"""


@pytest.fixture
def sweep_file(tmp_path: Path) -> Path:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "own.py").write_text(CODE)
    path = tmp_path / "own.yaml"
    path.write_text(SWEEP)
    return path


def problems(path: Path, overrides: list[str] | None = None) -> str:
    with pytest.raises(SweepFileError) as refused:
        read_sweep(path, overrides or [])
    return str(refused.value)


def ids(path: Path) -> list[str]:
    return list(expand(read_sweep(path), DataIdentity(kind="digits", fingerprint="ab" * 32)).generations)


def test_the_text_is_taken_along(sweep_file: Path) -> None:
    sweep = read_sweep(sweep_file)
    first, second = (row.network for row in sweep.networks)
    assert [row.name for row in sweep.networks] == ["Perceptron", "wide"]
    assert isinstance(first, UserNetwork)
    assert isinstance(second, UserNetwork)
    assert first.code == UserCode(file="code/own.py", name="Perceptron", text=CODE)
    assert (first.arguments, second.arguments) == ({"hidden": 4}, {"hidden": 9})
    assert isinstance(sweep.generations["own"].loss, UserLoss)
    assert code_files(sweep) == {"code/own.py": CODE}
    assert len({first, second, UserNetwork.model_validate_json(first.model_dump_json())}) == 2


def test_it_is_found_beside_the_sweep_file_wherever_one_is(sweep_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    assert code_files(read_sweep(sweep_file)) == {"code/own.py": CODE}


def test_whoever_has_the_spec_needs_the_file_no_more(sweep_file: Path) -> None:
    sweep = read_sweep(sweep_file)
    (sweep_file.parent / "code" / "own.py").unlink()
    assert SweepSpec.model_validate_json(sweep.model_dump_json()) == sweep


def test_ids_are_of_what_the_code_says_and_not_of_where_it_lies(sweep_file: Path) -> None:
    before = ids(sweep_file)
    assert len(set(before)) == 4
    moved = sweep_file.parent / "elsewhere.py"
    moved.write_text(CODE)
    sweep_file.write_text(SWEEP.replace("code/own.py", "elsewhere.py"))
    assert ids(sweep_file) == before
    moved.write_text(CODE + "# another\n")
    assert not set(ids(sweep_file)) & set(before)


def test_arguments_are_part_of_ids_and_can_be_set(sweep_file: Path) -> None:
    key = "generations.own.loss.arguments.power"
    loss = read_sweep(sweep_file, [f"{key}=3"]).generations["own"].loss
    assert isinstance(loss, UserLoss)
    assert loss.arguments == {"power": 3}
    before = ids(sweep_file)
    sweep_file.write_text(SWEEP.replace("power: 2", "power: 3"))
    assert [first == second for first, second in zip(before, ids(sweep_file), strict=True)].count(False) == 2


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("code/none.py:x", "none.py cannot be read: No such file or directory; paths are relative to the sweep file"),
        ("code/own.py", "'code/own.py' names no code; write FILE.py:NAME"),
        ("own:penalised", "'own:penalised' names no code"),
        ("code/own.py:penalized", "code/own.py defines no 'penalized'; did you mean 'penalised'?"),
        ("code:x.py:y", "cannot be read"),
        ("code/broken.py:f", "code/broken.py, line 2: "),
        ("code/latin.py:f", "is not UTF-8 text"),
        ("code/long.py:f", "has more than"),
        ("code/zero.py:f", "code/zero.py"),
        (
            "code/few.py:f",
            "takes 2 positional arguments; it is given 3: student_logits_BC, teacher_logits_BC, labels_B",
        ),
        ("code/async.py:f", "f is asynchronous"),
        ("code/needs.py:f", "line 1: f needs the argument 'strength'"),
        ("code/takes.py:f", "line 1: f takes no argument 'power'; did you mean 'powers'?"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(sweep_file: Path, written: str, said: str) -> None:
    folder = sweep_file.parent / "code"
    (folder / "broken.py").write_text("def f(a, b, c):\n  return (\n")
    (folder / "latin.py").write_bytes("# é\n".encode("latin-1"))
    (folder / "long.py").write_text("#" * (MAX_BYTES + 1))
    (folder / "zero.py").write_bytes(b"\0")
    (folder / "few.py").write_text("def f(a, b, *, power): ...\n")
    (folder / "async.py").write_text("async def f(a, b, c, power): ...\n")
    (folder / "needs.py").write_text("def f(a, b, c, power, strength): ...\n")
    (folder / "takes.py").write_text("def f(a, b, c, *, powers=0): ...\n")
    sweep_file.write_text(SWEEP.replace("code/own.py:penalised", written))
    message = problems(sweep_file)
    assert said in message
    assert "own.yaml:9: generations.own.loss" in message


@pytest.mark.parametrize(
    "definition",
    [
        "def f(*everything, **named): ...",
        "def f(a, b, c, /, power): ...",
        "def f(a, b, c, power=1, other=2): ...",
        "@decorated\ndef f(): ...",
        "class f(Inherited): ...",
        "f = made(3)",
        "from somewhere import f",
        "if True:\n    f = 1",
    ],
)
def test_what_may_be_right_is_accepted(sweep_file: Path, definition: str) -> None:
    (sweep_file.parent / "code" / "other.py").write_text(definition + "\n")
    sweep_file.write_text(SWEEP.replace("code/own.py:penalised", "code/other.py:f"))
    read_sweep(sweep_file)


def test_a_loss_of_ones_own_may_do_without_a_teacher(sweep_file: Path) -> None:
    sweep_file.write_text(SWEEP.replace(", teacher: teacher", ""))
    assert read_sweep(sweep_file).generations["own"].teacher is None


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("generations.own.shared_layers=frozen", "share no layers"),
        ("generations.own.loss=kd+activations", "have no stages to compare"),
    ],
)
def test_what_needs_to_know_the_network_is_refused(sweep_file: Path, override: str, said: str) -> None:
    assert said in problems(sweep_file, [override])


def test_a_network_of_ones_own_is_for_images(sweep_file: Path) -> None:
    assert "Perceptron cannot learn from ptb" in problems(sweep_file, ["data=ptb", "recipe=lstm"])


def test_code_is_shown_by_name_and_digest() -> None:
    shown = with_digests([{"code": {"file": "a.py", "name": "f", "text": ""}, "weight": 1}])
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert shown == [{"code": f"f, SHA-256 {empty}", "weight": 1}]
