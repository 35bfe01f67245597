"""`bansweep export`: a finished generation as files for other programs."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bansweep.cli.options import AsJson, Overrides, StoreLocation
from bansweep.cli.reference import GenerationId, WholeSweep, found_record, parse_reference, planned_cell
from bansweep.config.data import DataSpec
from bansweep.errors import RequestError
from bansweep.service.request import sweep_request
from bansweep.store.location import DEFAULT_STORE
from bansweep.store.records import GenerationRecord, check_user_code
from bansweep.store.store import Store

if TYPE_CHECKING:
    from bansweep.export.exported_folder import ExportForm


class Format(StrEnum):
    """What is exported: a state dict for PyTorch, a file for ONNX's runtimes, or both."""

    TORCH = "torch"
    ONNX = "onnx"
    ALL = "all"


_FORMS: dict[Format, tuple[ExportForm, ...]] = {
    Format.TORCH: ("torch",),
    Format.ONNX: ("onnx",),
    Format.ALL: ("torch", "onnx"),
}


def export(
    generation: Annotated[
        str,
        typer.Argument(
            metavar="GENERATION", help="An id, as `plan` prints it, or how it begins; or a sweep file, with its CELL."
        ),
    ],
    to: Annotated[
        Path,
        typer.Option(
            "--to", metavar="FOLDER", help="Where to: a folder that is empty, or not there.", show_default=False
        ),
    ],
    cell: Annotated[
        str | None,
        typer.Argument(metavar="CELL", help="ROW/COLUMN of the sweep, or ROW/COLUMN@SEED.", show_default=False),
    ] = None,
    form: Annotated[
        Format, typer.Option("--format", help="torch, onnx (which needs bansweep's extra of that name), or all.")
    ] = Format.TORCH,
    store: StoreLocation = DEFAULT_STORE,
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """bansweep export 4e268e59506dc5ed --to my-network: weights, what they are, and a script that loads them.

    Example: bansweep export sweeps/table2.yaml densenet-90-60/ban --to my-network --format onnx
    """
    record, lineage, data = _asked_for(generation, cell, store, overrides)
    # Import PyTorch only once there is something to export.
    from bansweep.export.exported_folder import Export, check_free, write_export
    from bansweep.export.inputs import input_of
    from bansweep.export.onnx_file import check_onnx_installed

    forms = _FORMS[form]
    check_free(to)
    if "onnx" in forms:
        check_onnx_installed()
    weights = Store(store).weights(record.id)
    names = write_export(to, Export(record, lineage, weights, input_of(record, data)), forms)
    if as_json:
        typer.echo(json.dumps({"id": record.id, "folder": str(to), "files": list(names)}, indent=2))
        return
    typer.echo(f"{record.label} ({record.id}): {to}")
    for name in names:
        typer.echo(f"  {name}")
    typer.echo(f"python {to / next(name for name in names if name.startswith('load'))} tries it")


def _asked_for(
    named: str, cell: str | None, location: str, overrides: list[str] | None
) -> tuple[GenerationRecord, list[GenerationRecord], DataSpec | None]:
    """The record, its lineage, and its data in the sweep file, if one is named.

    Raises RequestError where it is not finished.
    """
    reference = parse_reference(named if cell is None else f"{named}:{cell}")
    store = Store(location)
    if isinstance(reference, GenerationId):
        if overrides:
            raise RequestError("--set changes a sweep, and an id is none", remedy="leave one of them out")
        record = found_record(store, reference.beginning, location)
        check_user_code(record, planned_id=None)
        return record, store.lineage(record), None
    if isinstance(reference, WholeSweep):
        if cell is not None:
            raise RequestError(f"{cell!r} is no cell of a sweep", remedy="write ROW/COLUMN, or ROW/COLUMN@SEED")
        if not reference.path.is_file():
            raise RequestError(
                f"{named!r} is neither a generation's id nor a sweep file",
                remedy="bansweep plan SWEEP lists the ids of a sweep",
            )
        raise RequestError(
            f"{named} is a whole sweep; one generation is exported at a time",
            remedy=f"bansweep export {named} ROW/COLUMN --to FOLDER",
        )
    request = sweep_request(reference.sweep, location, overrides)
    wanted = planned_cell(request.plan, reference)
    found = store.record(wanted.generation_id)
    if found is None:
        raise RequestError(
            f"{request.plan.label(wanted.generation_id)} ({wanted.generation_id}) is not finished in {location}",
            remedy=f"bansweep run {reference.sweep} --only {wanted.row}/{wanted.column} trains it; "
            "--store names another store",
        )
    check_user_code(found, planned_id=wanted.generation_id)
    return found, store.lineage(found), request.spec.data
