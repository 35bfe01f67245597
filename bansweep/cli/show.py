"""`bansweep show`: one generation's record and lineage."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Annotated

import typer

from bansweep.cli.options import DEFAULT_STORE, AsJson, StoreFolder
from bansweep.errors import RequestError
from bansweep.store.records import GenerationRecord
from bansweep.store.store import Store


def show(
    generation_id: Annotated[str, typer.Argument(metavar="ID", help="A generation's id, as `plan` prints it.")],
    store: StoreFolder = DEFAULT_STORE,
    as_json: AsJson = False,
) -> None:
    """bansweep show 4e268e59506dc5ed: what a finished generation is, how good, and who taught it."""
    kept = Store(store)
    record = kept.record(generation_id)
    if record is None:
        raise RequestError(
            f"no finished generation {generation_id!r} in {store}",
            remedy="bansweep plan SWEEP lists the ids of a sweep; --store names another store",
        )
    lineage = _lineage(kept, record)
    if as_json:
        document = {**record.model_dump(mode="json"), "lineage": [ancestor.id for ancestor in lineage]}
        typer.echo(json.dumps(document, indent=2))
        return
    generation = record.generation
    finished = datetime.fromtimestamp(record.finished_at, UTC)
    typer.echo(f"{record.label} ({record.id})")
    typer.echo(f"  network     {generation.network.name}, {record.parameters:,} parameters")
    typer.echo(f"  loss        {generation.loss.kind}, seed {generation.seed}, {generation.recipe.epochs} epochs")
    typer.echo(f"  data        {generation.data.kind} ({generation.data.fingerprint[:16]})")
    typer.echo(f"  trained     {record.training_seconds:.1f} s on {record.device}, {finished:%Y-%m-%d %H:%M} UTC")
    for name, value in sorted(record.metrics.items()):
        typer.echo(f"  {name:<11} {value:.6g}")
    typer.echo("  lineage     " + " > ".join(f"{ancestor.label} ({ancestor.id})" for ancestor in lineage))


def _lineage(store: Store, record: GenerationRecord) -> list[GenerationRecord]:
    """From the label-trained ancestor down to the record itself, as far as the store has them."""
    lineage = [record]
    while lineage[0].generation.teacher is not None:
        teacher = store.record(lineage[0].generation.teacher)
        if teacher is None:
            break
        lineage.insert(0, teacher)
    return lineage
