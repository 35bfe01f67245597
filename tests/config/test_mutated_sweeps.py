"""Thousands of damaged sweep files: each plans, or is refused with file, line and key; never a traceback or a hang.

`BANSWEEP_MUTATIONS=100000 pytest tests/spec/test_mutated_sweeps.py` tries as many others, by chance.
"""

from __future__ import annotations

import os
import shutil
import time
import unicodedata
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from bansweep.cli.app import app
from bansweep.config.yaml_document import MAX_PROBLEMS, parse_document
from bansweep.errors import DataError, SweepFileError

# What no file in sweeps/ says.
EVERYTHING = """\
name: everything
data: {kind: digits, limit: 800, validation: 200, test_limit: 100}
recipe:
  base: wide-resnet
  epochs: 3
  decay_at: [0.5, 0.75]
  augmentation: {pad: 1, fill: zero, flip: false}
networks:
  - wrn-10-1
  - {kind: densenet, depth: 10, growth: 4, name: thin, recipe: {base: wide-resnet, epochs: 2}}
  - {name: like, network: {kind: residual-student, block: basic, blocks: 1, ratio: 0.5, like: densenet-16-4}}
seeds: [0, 7]
generations:
  teacher: {loss: {kind: labels, smoothing: 0.1}}
  mixed: {loss: {kind: kd+labels, mixing: 0.3, temperature: 4}, teacher: teacher, seed: 3, search: none}
  same: {loss: {kind: kd+activations, ramp: linear}, teacher: teacher, shared_layers: trained, search: none}
  dkpp: {loss: {kind: dkpp, permutation: fixed}, teacher: mixed, skip: [thin]}
ensembles:
  pair: {members: [teacher, dkpp], thin: [teacher, mixed]}
chain:
  - {name: long, loss: kd, length: 3, teacher: mixed, stop: {patience: 1, min_delta: 0.1}}
search:
  sampler: tpe
  parameters:
    recipe.learning_rate: {loguniform: [0.01, 0.2]}
    recipe.batch_size: {int: [8, 64]}
    recipe.weight_decay: [0, 0.0005]
  candidates: 5
  pruner: {kind: median, grace: 2}
  keep: all
select: {metric: validation_loss, epoch: best}
budget: {gpu_hours: 2}
diagnostics: true
resources: {workers: 2, cpus_per_worker: 2, teacher_memory_gb: 0, recompute: true}
"""
SWEEPS = Path(__file__).parents[2] / "sweeps"
SOURCES = [
    *(path.read_text("utf-8") for path in sorted(SWEEPS.rglob("*.yaml"))),
    EVERYTHING,
]

_WANTED = os.environ.get("BANSWEEP_MUTATIONS")
EXAMPLES = int(_WANTED or 1200) // 2
CPU_SECONDS = 20.0
# Control and format characters (which move the cursor, or the text), halves of characters, line ends.
UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}

mutated = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=_WANTED is None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

NASTY: list[Any] = [
    *(None, True, False, [], {}, [[]], [None], {"": None}, "", " ", "null", "none"),
    *(0, -1, 1, 2, 2**31, 2**31 + 1, 2**63, 10**39, 10**60, -(2**70), 0.1, -0.0, 5e-324, 1e308, 1e400, -1e400),
    *(float("nan"), "1e-3", "1_000", "0x10", "12:30:45", "2026-01-01"),
    *("..", "../..", "/", "a/b", "a\\b", "./-", "-rf", "~", "~nobody/x", "$HOME", "`id`", "; rm -rf x", "%s", "{0}"),
    *("\0", "a\nb", "a\tb", "\x1b[31mred", "\x7f", "\u202ename", "\u200b", "\ufeff", "\ud800", "\U0010ffff"),
    *(
        "ü",
        "网络",
        "😀",
        "x" * 81,
        "x" * 300,
        "x" * 5000,
        "/" + "d/" * 400,
        "*",
        "**",
        "&",
        "!",
        "<<",
        "=",
        "kind",
        "members",
    ),
    *("wrn-28-10", "wrn-10-1-dropout1", "wrn-999999-1", "densenet-100-12-depth*2-compr*0.5", "lstm", "cnn-lstm-1-1"),
    *(
        "ban-wide-resnet-1-1-like-densenet-40-12",
        "densenet-10-1" + "-depth*1" * 100,
        "cifar10",
        "ptb",
        "folder",
        "text",
    ),
    *("teacher", "ban", "ban-1", "kd", "labels", "kd+activations", "frozen", "wide-resnet", "grid", "tpe", "asha"),
    *([1, "a", None], [0] * 50, list(range(11_000)), {"kind": None}, {"kind": "folder", "root": "/"}),
    *({"kind": "text", "train": "/", "validation": ".", "test": "~nobody"}, {"kind": "parquet", "train": "x" * 300}),
    *({"loss": "kd", "length": 1000}, [{"loss": "kd", "length": 1000, "name": f"c{i}"} for i in range(30)]),
    *({"base": "lstm", "window": 3}, {"grid": list(range(1, 400))}, {"choice": [1, "1", True]}, {"int": [0, 2**53]}),
    *({"loguniform": [5e-324, 1e308]}, {"uniform": [-1e308, 1e308]}, {f"k{number}": {} for number in range(200)}),
]
# What YAML can do, and what is no YAML.
SNIPPETS = [
    *(b"&a ", b"*a", b"a: &a [*a]\n", b"<<: *a\n", b"<<: {name: x}\n", b"!!python/object/apply:os.system ['true']\n"),
    *(b"!!python/name:os.system ", b"!!binary ", b"!!set ", b"!!timestamp ", b"! ", b"!<x> ", b"%YAML 1.2\n---\n"),
    *(
        b"---\n",
        b"...\n",
        b"--- a\n",
        b"\t",
        b"\xef\xbb\xbf",
        b"\xff\xfe",
        b"\xe9",
        b"\xed\xa0\x80",
        b"\0",
        b"\x1b",
        b"\r",
    ),
    *(
        b"? [a]\n: b\n",
        b"? {a: b}\n: c\n",
        b"? |\n  long\n: x\n",
        b"- ",
        b": ",
        b"#",
        b"|\n",
        b">\n",
        b"'",
        b'"',
        b"{",
        b"[",
        b"}",
    ),
    *(b'"\\u0000"', b'"\\ud800"', b'"\\x1b[2J"', b"\xe2\x80\xa8", b"[" * 40, b"{a: " * 40, b"[" * 5000, b"9" * 5000),
    *(b"x" * 3000, b"name: x\n", b"chain: {loss: kd, length: 1000}\n", b"paper: table9\n"),
]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*path, key)
        yield from places(inner, (*path, key))


def parent_of(value: Any, path: tuple[Any, ...]) -> Any:
    for key in path[:-1]:
        value = value[key]
    return value


def renamed(mapping: dict[Any, Any], old: Any, new: Any) -> None:
    content = {new if key == old else key: value for key, value in mapping.items()}
    mapping.clear()
    mapping.update(content)


@st.composite
def changed_structure(draw: st.DrawFn) -> bytes:
    """A sweep with keys removed, doubled and renamed, and values moved, wrapped and replaced."""
    tree = deepcopy(parse_document(draw(st.sampled_from(SOURCES)), "source").value)
    for _ in range(draw(st.integers(1, 4))):
        known = list(places(tree))
        if not known:
            break
        path, other = draw(st.sampled_from(known)), draw(st.sampled_from(known))
        parent, key = parent_of(tree, path), path[-1]
        match draw(st.sampled_from(("replace", "replace", "replace", "remove", "double", "rename", "move", "wrap"))):
            case "replace":
                parent[key] = deepcopy(draw(st.sampled_from(NASTY)))
            case "remove":
                del parent[key]
            case "double" if isinstance(parent, dict):
                parent[f"{key}{draw(st.sampled_from(['2', ' ', '-1', '/x', '.y']))}"] = deepcopy(parent[key])
            case "double":
                parent.insert(key, deepcopy(parent[key]))
            case "rename" if isinstance(parent, dict):
                names = [name for name in NASTY if isinstance(name, str)]
                renamed(parent, key, draw(st.sampled_from([*names, key[1:], f"{key}s", key.upper(), other[-1]])))
            case "move":
                parent[key] = deepcopy(parent_of(tree, other)[other[-1]])
            case _:
                parent[key] = draw(st.sampled_from([[parent[key]], {"kind": parent[key]}, {str(key): parent[key]}]))
    return yaml.safe_dump(
        tree,
        sort_keys=False,
        allow_unicode=draw(st.booleans()),
        default_flow_style=draw(st.sampled_from([None, False])),
    ).encode("utf-8", "surrogatepass")


@st.composite
def changed_text(draw: st.DrawFn) -> bytes:
    """A sweep file that was cut, mixed up line by line, or in which bytes were changed or put."""
    content = draw(st.sampled_from(SOURCES)).encode()
    for _ in range(draw(st.integers(1, 3))):
        lines = content.splitlines(keepends=True) or [b""]
        row, other = (draw(st.integers(0, len(lines) - 1)) for _ in range(2))
        match draw(st.sampled_from(("insert", "insert", "cut", "flip", "drop", "repeat", "swap", "indent", "start"))):
            case "insert":
                at = draw(st.integers(0, len(content)))
                content = content[:at] + draw(st.sampled_from(SNIPPETS)) + content[at:]
                continue
            case "cut":
                content = content[: draw(st.integers(0, len(content)))]
                continue
            case "flip" if content:
                at = draw(st.integers(0, len(content) - 1))
                content = content[:at] + bytes([content[at] ^ draw(st.integers(1, 255))]) + content[at + 1 :]
                continue
            case "drop":
                del lines[row]
            case "repeat":
                lines.insert(row, lines[row])
            case "swap":
                lines[row], lines[other] = lines[other], lines[row]
            case "indent":
                lines[row] = draw(st.sampled_from([b"  ", b"    ", b"\t"])) + lines[row]
            case _:
                lines[row] = lines[row].lstrip()
        content = b"".join(lines)
    return content


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[bytes], BaseException | None]]:
    """Runs `bansweep plan` on a file with this content, checks how it ends, and returns the error, if any."""
    folder = tmp_path_factory.mktemp("mutated")
    file, store = folder / "sweep.yaml", folder / "store"
    for code in SWEEPS.rglob("*.py"):
        shutil.copy(code, folder)

    def run(content: bytes) -> BaseException | None:
        file.write_bytes(content)
        start = time.process_time()
        result = CliRunner().invoke(app, ["plan", str(file), "--store", str(store)])
        assert time.process_time() - start < CPU_SECONDS
        assert not store.exists(), "planning starts nothing"
        if result.exit_code == 0:
            assert " distinct generations, 0 finished in " in result.stdout
            return None
        error = result.exception
        if isinstance(error, DataError):
            assert "data." in str(error), error
            assert error.remedy
            return error
        assert isinstance(error, SweepFileError), repr(error)
        assert 0 < len(error.problems) <= MAX_PROBLEMS + 1
        for problem in error.problems:
            assert problem.file == str(file)
            assert problem.message
            assert not {unicodedata.category(one) for one in f"{problem.key}{problem.message}"} & UNSEEN, problem
            assert 0 <= problem.line <= content.count(b"\n") + content.count(b"\r") + 3
            assert problem.line or not problem.key, problem
        return error

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BANSWEEP_CACHE", str(folder / "cache"))
        patch.delenv("BANSWEEP_DATA", raising=False)
        yield run


@pytest.mark.parametrize("text", SOURCES, ids=range(len(SOURCES)))
def test_what_is_mutated_plans(text: str, plan: Callable[[bytes], BaseException | None]) -> None:
    error = plan(text.encode())
    assert error is None or isinstance(error, DataError), "only its data may be missing here"


@mutated
@given(content=changed_structure())
def test_changed_structures(content: bytes, plan: Callable[[bytes], BaseException | None]) -> None:
    plan(content)


@mutated
@given(content=changed_text())
def test_changed_texts(content: bytes, plan: Callable[[bytes], BaseException | None]) -> None:
    plan(content)
