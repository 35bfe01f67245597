"""`bansweep show`: one generation's record and lineage."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Annotated

import typer

from bansweep.cli.options import AsJson, StoreLocation
from bansweep.cli.reference import found_record
from bansweep.config.losses import loss_name
from bansweep.config.networks import is_language_model
from bansweep.graph.generation import Generation
from bansweep.graph.metric_values import comparable, figure_text, name_text
from bansweep.service.event_lines import setting_text
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
    generation, recipe = record.trained, record.trained.recipe
    finished = datetime.fromtimestamp(record.finished_at, UTC)
    typer.echo(f"{record.label} ({record.id})")
    typer.echo(f"  network     {generation.network.name}, {record.parameters:,} parameters")
    typer.echo(f"  loss        {loss_name(generation.loss)}, seed {generation.seed}")
    typer.echo(
        f"  recipe      {recipe.epochs} epochs, batch size {recipe.batch_size}, learning rate {recipe.learning_rate:g}"
    )
    typer.echo(f"  data        {_data_text(generation)}")
    typer.echo(f"  trained     {record.training_seconds:.1f} s on {record.device}, {finished:%Y-%m-%d %H:%M} UTC")
    if record.compiled_epochs is not None:
        typer.echo(f"  compiled    {_compiled_text(record.compiled_epochs, recipe.epochs)}")
    for name, value in sorted(record.metrics.items()):
        # The last step's learning rate is the schedule's, no result.
        if name != "learning_rate":
            typer.echo(f"  {name.replace('_', ' '):<11} {figure_text(name, value)}")
    if record.selected_epoch is not None and record.generation.select.epoch == "best":
        typer.echo(f"  epoch       {record.selected_epoch} of {recipe.epochs}, the best by {_metric_text(record)}")
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
    typer.echo(f"  candidates  {len(record.candidates)} in {seconds:.1f} s, {what}")
    places = {"finished": 0, "pruned": 1, "failed": 2}
    for one in sorted(record.candidates, key=lambda one: (places[one.outcome], comparable(one.value), one.number)):
        value = "" if one.value is None else f", {figure_text(str(record.generation.select.metric), one.value)}"
        mark = "*" if one.number == record.winner else " "
        reason = f": {one.reason.splitlines()[0]}" if one.reason else ""
        epochs = f"{one.epochs} epoch{'s' * (one.epochs != 1)}"
        result = f"{one.outcome} after {epochs}{value}{reason}"
        typer.echo(f"   {mark} {one.number:>3}  {setting_text(one.setting)}: {result}")


def _compiled_text(compiled_epochs: int, epochs: int) -> str:
    if compiled_epochs == 0:
        return "no"
    return "yes" if compiled_epochs == epochs else f"in {compiled_epochs} of {epochs} epochs"


def _metric_text(record: GenerationRecord) -> str:
    return name_text(record.generation.select.metric or "the last epoch")


def _data_text(generation: Generation) -> str:
    """`digits (9e6302438ed11c94), first 256 training images, first 100 test images`: the set, and what was used."""
    data, of_text = generation.data, is_language_model(generation.network)
    things, tests = ("tokens", "validation and test") if of_text else ("images", "test")
    parts = [f"{data.kind} ({data.fingerprint[:16]})"]
    if data.limit is not None:
        parts.append(f"first {data.limit:,} training {things}")
    if data.test_limit is not None:
        parts.append(f"first {data.test_limit:,} {tests} {things}")
    if data.validation:
        parts.append(f"{data.validation:,} images for validation")
    return ", ".join(parts)
