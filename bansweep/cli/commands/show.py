"""`bansweep show`: one generation's record and lineage."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from bansweep.cli.options import AsJson, StoreLocation
from bansweep.cli.reference import found_record
from bansweep.config.losses import loss_name
from bansweep.formatting import duration_text, figure_text, name_text, settings_text
from bansweep.graph.results import comparable
from bansweep.report.record_facts import data_text, recipe_text, result_names, trained_text
from bansweep.store.location import DEFAULT_STORE
from bansweep.store.records import GenerationRecord
from bansweep.store.store import Store


def show(
    generation_id: Annotated[
        str, typer.Argument(metavar="ID", help="A generation's id, as `plan` prints it, or how it begins.")
    ],
    store: StoreLocation = DEFAULT_STORE,
    as_json: AsJson = False,
) -> None:
    """bansweep show 4e268e59506dc5ed: what a finished generation is, how good, and who taught it.

    Example: bansweep show 4e26 --store ~/networks --json
    """
    kept = Store(store)
    record = found_record(kept, generation_id, store)
    lineage = kept.lineage(record)
    if as_json:
        document = {**record.model_dump(mode="json"), "lineage": [ancestor.id for ancestor in lineage]}
        typer.echo(json.dumps(document, indent=2))
        return
    generation, epochs = record.trained, record.trained.recipe.epochs
    typer.echo(f"{record.label} ({record.id})")
    typer.echo(f"  network     {generation.network.name}, {record.parameters:,} parameters")
    typer.echo(f"  loss        {loss_name(generation.loss)}, seed {generation.seed}")
    typer.echo(f"  recipe      {recipe_text(generation)}")
    typer.echo(f"  data        {data_text(generation)}")
    typer.echo(f"  trained     {trained_text(record)}")
    if record.compiled_epochs is not None:
        typer.echo(f"  compiled    {_compiled_text(record.compiled_epochs, epochs)}")
    for name in result_names(record.metrics):
        typer.echo(f"  {name_text(name):<11} {figure_text(name, record.metrics[name])}")
    if record.selected_epoch is not None and record.generation.select.epoch == "best":
        typer.echo(f"  epoch       {record.selected_epoch} of {epochs}, the best by {_metric_text(record)}")
    for number, ancestor in enumerate(lineage):
        typer.echo(f"  {'' if number else 'lineage':<11} {ancestor.label} ({ancestor.id})")
    if record.candidates:
        _echo_candidates(record)


def _echo_candidates(record: GenerationRecord) -> None:
    """The candidates of a search, best first."""
    assert record.generation.search is not None
    search = record.generation.search
    seconds = sum(one.seconds for one in record.candidates)
    what = f"{search.sampling} search, chosen by {_metric_text(record)} (the first among equals)"
    typer.echo(f"  candidates  {len(record.candidates)} in {duration_text(seconds)}, {what}")
    places = {"finished": 0, "pruned": 1, "failed": 2}
    for one in sorted(record.candidates, key=lambda one: (places[one.outcome], comparable(one.value), one.number)):
        value = "" if one.value is None else f", {figure_text(str(record.generation.select.metric), one.value)}"
        mark = "*" if one.number == record.winner else " "
        reason = f": {one.reason.splitlines()[0]}" if one.reason else ""
        epochs = f"{one.epochs} epoch{'s' * (one.epochs != 1)}"
        result = f"{one.outcome} after {epochs}{value}{reason}"
        typer.echo(f"   {mark} {one.number:>3}  {settings_text(one.setting)}: {result}")


def _compiled_text(compiled_epochs: int, epochs: int) -> str:
    if compiled_epochs == 0:
        return "no"
    return "yes" if compiled_epochs == epochs else f"in {compiled_epochs} of {epochs} epochs"


def _metric_text(record: GenerationRecord) -> str:
    return name_text(record.generation.select.metric or "the last epoch")
