"""`bansweep report` in its formats: what goes to the screen, what into files, and where the page lies."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from demo_sweep import ids_of, plan_of
from html_document import html_document
from made_up_generation import publish_made_up
from typer.testing import CliRunner, Result

from bansweep.cli.app import app
from bansweep.store.spending_ledger import SpendingLedger
from bansweep.store.store import Store


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def store(tmp_path: Path, sweep_file: Path) -> Store:
    """`teacher` and `ban` of the demo are finished."""
    plan = plan_of(sweep_file)
    store = Store(tmp_path / "store")
    for column, error in {"teacher": 5.0, "ban": 4.0}.items():
        generation = plan.generations[ids_of(plan)[column]]
        publish_made_up(store, generation, metrics={"test_error": error}, label=plan.label(generation.id))
    return store


def test_the_page_lies_in_the_store_and_its_place_is_printed(sweep_file: Path, store: Store) -> None:
    SpendingLedger(store, "demo").write(dict.fromkeys(store.ids(), 0.25))
    result = invoke("report", sweep_file, "--store", store.directory, "--format", "html")
    place = store.directory / "sweeps" / "demo" / "report.html"
    assert (result.exit_code, result.stdout) == (0, f"{place}\n")
    page = html_document(place.read_text(encoding="utf-8"))
    assert page.all("h1")[0].text == "demo"
    assert "held devices for 30 min" in page.by_id("cost").text
    commands = [one.text for one in page.by_id("reproduce").all("pre")]
    assert commands == [
        f"bansweep run {sweep_file} --store another-store",
        f"bansweep report {sweep_file} --store {store.directory} --open",
    ]


def test_a_part_leaves_the_whole_page_as_it_is(sweep_file: Path, store: Store) -> None:
    folder = store.directory / "sweeps" / "demo"
    invoke("report", sweep_file, "--store", store.directory, "--format", "html")
    whole = (folder / "report.html").read_text()
    result = invoke("report", sweep_file, "--store", store.directory, "--format", "html", "--only", "ban")
    assert result.stdout == f"{folder / 'report-part.html'}\n"
    assert (folder / "report.html").read_text() == whole
    assert "cwtm" not in html_document((folder / "report-part.html").read_text()).by_id("table").text


def test_open_opens_it(sweep_file: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr("typer.launch", opened.append)
    result = invoke("report", sweep_file, "--store", store.directory, "--open")
    assert opened == [str(store.directory / "sweeps" / "demo" / "report.html")]
    assert result.stdout == f"{opened[0]}\n"


def test_a_rehearsals_commands_rehearse(sweep_file: Path, tmp_path: Path) -> None:
    place = tmp_path / "page.html"
    invoke("report", sweep_file, "--store", tmp_path / "new", "--rehearse", "--format", "html", "--output", place)
    run, report = (one.text for one in html_document(place.read_text()).by_id("reproduce").all("pre"))
    assert run.endswith("--store another-store --rehearse")
    assert report.endswith(f"--store {tmp_path / 'new'} --rehearse --open")


@pytest.mark.parametrize("form", ["md", "csv", "latex", "json"])
def test_a_file_has_what_the_screen_would_have_shown(sweep_file: Path, store: Store, tmp_path: Path, form: str) -> None:
    shown = invoke("report", sweep_file, "--store", store.directory, "--format", form)
    written = invoke("report", sweep_file, "--store", store.directory, "--format", form, "-o", tmp_path / "file")
    assert written.stdout == f"{tmp_path / 'file'}\n"
    assert (tmp_path / "file").read_text() == shown.stdout
    assert len(shown.stdout) > 100


def test_each_format_has_the_figures(sweep_file: Path, store: Store, tmp_path: Path) -> None:
    def shown(form: str) -> str:
        return invoke("report", sweep_file, "--store", store.directory, "--format", form).stdout

    assert "| wrn-10-1 |    5.00 | 4.00 |" in shown("md")
    assert "wrn-10-1 & $5.00$ & $4.00$ & -- & -- & -- \\\\" in shown("latex")
    assert [cell["mean"] for cell in json.loads(shown("json"))["cells"]] == [5.0, 4.0, None, None, None]
    assert [line["mean"] for line in csv.DictReader(io.StringIO(shown("csv")))] == ["5.0", "4.0", "", "", ""]
    invoke("report", sweep_file, "--store", store.directory, "--output", tmp_path / "table.txt")
    assert "5.00" in (tmp_path / "table.txt").read_text()


@pytest.mark.parametrize(
    ("options", "cause"),
    [
        (["--json", "--format", "html"], "--json and --format html exclude each other"),
        (["--open", "--format", "csv"], "--open and --format csv exclude each other"),
        (["--open", "--json"], "--json and --open exclude each other"),
        (["--open"], "to keep the page in"),
        (["--format", "csv", "--output", "{folder}/none/table.csv"], "none/table.csv: No such file or directory"),
    ],
)
def test_what_cannot_be_is_refused(sweep_file: Path, tmp_path: Path, options: list[str], cause: str) -> None:
    arguments = [option.format(folder=tmp_path) for option in options]
    result = invoke("report", sweep_file, "--store", tmp_path / "store", *arguments)
    assert result.exit_code == 1
    assert cause in str(result.exception)
    assert not (tmp_path / "store").exists()


def test_the_same_option_twice_is_no_contradiction(sweep_file: Path, store: Store) -> None:
    result = invoke("report", sweep_file, "--store", store.directory, "--json", "--format", "json")
    assert json.loads(result.stdout)["sweep"] == "demo"
