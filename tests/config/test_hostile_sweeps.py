"""Sweep files made to do harm: bombs, floods, bytes that are no text, names that lead elsewhere. None gets far."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from pathlib import Path

import pytest

from bansweep.config.reading import parse_sweep, read_sweep
from bansweep.errors import SweepFileError

CPU_SECONDS = 20.0

HEAD = """\
name: large
data: digits
recipe: wide-resnet
networks: [wrn-10-1]
generations:
  teacher: {loss: labels}
"""


def listed(values: Iterable[object]) -> str:
    return f"[{', '.join(map(str, values))}]"


TOO_LARGE = {
    "aliases that multiply": ("a: &a [x]\n" + "".join(f"b{n}: &b{n} [*a, *a, *a]\n" for n in range(30)), "aliases"),
    "merge keys": (f"{HEAD}  ban: {{<<: *a}}\n", "aliases"),
    "an anchor without aliases": (HEAD.replace("digits", "&a digits"), None),
    "deep lists": ("[" * 100_000, "nested deeper"),
    "deep mappings": ("{a: " * 100_000, "nested deeper"),
    "indented ever deeper": ("\n".join(f"{' ' * n}a:" for n in range(1000)), "nested deeper"),
    "a long name": (HEAD.replace("wrn-10-1", "densenet-90-60" + "-depth*1" * 5000), "40,014 characters"),
    "a long number": (HEAD.replace("large", "9" * 900), "900 digits"),
    "a long key": (f'{HEAD}? "{"k" * 2000}"\n: 1\n', "2,000 characters"),
    "a coloured key": (f'{HEAD}"\\x1b[31mred": 1\n', "U[+]001B"),
    "a name that turns round": (HEAD.replace("large", '"\\u202etxt.exe"'), "U[+]202E"),
    "seeds": (f"{HEAD}seeds: {listed(range(100_000))}\n", "100,000 seeds; a sweep has 10,000 at most"),
    "generations": (
        f"{HEAD}chain: {{loss: kd, length: 1000}}\nseeds: {listed(range(1000))}\n",
        "1 networks x 1,001 columns x 1,000 seeds are 1,001,000 cells",
    ),
    "chains": (
        f"{HEAD}chain:\n" + "".join(f"  - {{loss: kd, length: 1000, name: c{n}}}\n" for n in range(100)),
        "100,001 columns, .* 20,000 at most",
    ),
    "wrong chains": (f"{HEAD}chain: {listed(['{}'] * 30_000)}\n", "30,001 columns"),
    "networks": (HEAD.replace("[wrn-10-1]", listed(f"wm-{n}-1" for n in range(5000))), "5,000 networks"),
    "networks of columns": (
        HEAD + "".join(f"  b{n}: {{loss: kd, teacher: teacher, network: wm-{n}-1}}\n" for n in range(1000)),
        "1,001 networks",
    ),
    "skipped rows": (HEAD.replace("labels}", f"labels, skip: {listed(range(10_000))}}}"), "10,000 rows"),
    "members": (f"{HEAD}ensembles:\n  all: {listed(range(50_000))}\n", "50,000 members"),
    "values": (
        HEAD.replace("digits", "{kind: digits, validation: 100}").replace("[wrn-10-1]", listed(["wrn-10-1"] * 100))
        + f"search: {{candidates: 2, parameters: {{network.dropout: {listed(n / 9000 for n in range(9000))}}}}}\n",
        "9,000 values, each to be tried in 101 rows and columns",
    ),
    "unknown columns": (
        HEAD + "".join(f"  column{n}: {{loss: kd, teacher: colum{n}}}\n" for n in range(3000)),
        "and 80 more",
    ),
    "unknown keys": (HEAD + "".join(f"key{n}: 1\n" for n in range(20_000)), "and 19,980 more|and 19980 more"),
}


@pytest.mark.parametrize("name", sorted(TOO_LARGE))
def test_what_is_too_large_is_refused_at_once(name: str, tmp_path: Path) -> None:
    text, problem = TOO_LARGE[name]
    file = tmp_path / "sweep.yaml"
    file.write_text(text)
    start = time.process_time()
    if problem is None:
        assert read_sweep(file).name == "large"
    else:
        with pytest.raises(SweepFileError, match=problem):
            read_sweep(file)
    assert time.process_time() - start < CPU_SECONDS


def test_the_largest_sweeps_are_accepted() -> None:
    deep = parse_sweep(f"{HEAD}chain: {{loss: kd, length: 999, ensemble: false}}\nseeds: {listed(range(100))}\n")
    assert len(deep.generations) * len(deep.seeds) == 100_000
    wide = parse_sweep(HEAD.replace("[wrn-10-1]", listed(f"wrn-10-{n}" for n in range(1, 501))))
    assert len(wide.networks) == 500
    assert len(parse_sweep(f"{HEAD}seeds: {listed(range(10_000))}\n").seeds) == 10_000


def test_large_files_are_not_read(tmp_path: Path) -> None:
    file = tmp_path / "sweep.yaml"
    with file.open("wb") as opened:
        opened.truncate(100 * 1024 * 1024)
    start = time.process_time()
    with pytest.raises(SweepFileError, match="104,857,600 bytes; a sweep file has 1,048,576 at most"):
        read_sweep(file)
    with pytest.raises(SweepFileError, match="/dev/zero: a device is there, not a regular file"):
        read_sweep(Path("/dev/zero"))
    assert time.process_time() - start < 1


@pytest.mark.parametrize(
    "content", [b"\xff\xfen\0a\0m\0e\0", b"a: \xe9\n", b"a: 1\nb: \xed\xa0\x80\n", b"a: 1\nb: \0\n"]
)
def test_what_is_no_text_is_told_by_its_line(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "sweep.yaml"
    file.write_bytes(content)
    with pytest.raises(SweepFileError) as caught:
        read_sweep(file)
    (problem,) = caught.value.problems
    assert (problem.file, problem.line) == (str(file), content.count(b"\n") or 1)


@pytest.mark.parametrize("name", ["a/b", "..", "../a", ".a", "/a", "a b", "a\\b", "", "a" * 81, "ü", "-a", "C:", "a\t"])
@pytest.mark.parametrize("where", ["name", "network", "column", "ensemble", "chain"])
def test_names_that_would_lead_elsewhere(name: str, where: str) -> None:
    quoted = json.dumps(name)
    text = {
        "name": HEAD.replace("large", quoted),
        "network": HEAD.replace("[wrn-10-1]", f"[{{name: {quoted}, network: wrn-10-1}}]"),
        "column": f"{HEAD}  {quoted}: {{loss: labels}}\n",
        "ensemble": f"{HEAD}ensembles: {{{quoted}: [teacher]}}\n",
        "chain": f"{HEAD}chain: {{name: {quoted}, loss: kd, length: 1}}\n",
    }[where]
    with pytest.raises(SweepFileError) as caught:
        parse_sweep(text, file="sweep.yaml")
    lines = {"name": 1, "network": 4, "column": 7, "ensemble": 7, "chain": 7}
    assert {problem.line for problem in caught.value.problems} == {lines[where]}
