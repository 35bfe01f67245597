"""Options and arguments that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bansweep.store.location import store_location

SweepFile = Annotated[Path, typer.Argument(metavar="SWEEP", help="The sweep file (YAML).", show_default=False)]

StoreLocation = Annotated[
    str,
    typer.Option(
        "--store",
        envvar="BANSWEEP_STORE",
        help="Where finished generations are kept: a folder, or an object store's URL such as s3://BUCKET/FOLDER.",
        metavar="STORE",
        parser=store_location,
    ),
]

Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="Change any field of the sweep file, such as recipe.epochs=20. May be repeated.",
        metavar="KEY=VALUE",
        show_default=False,
    ),
]

Only = Annotated[
    list[str] | None,
    typer.Option(
        "--only",
        help="Only these rows, columns or row/column pairs (* and ? match anything). May be repeated.",
        metavar="PATTERN",
        show_default=False,
    ),
]

Rehearse = Annotated[
    bool,
    typer.Option(
        "--rehearse",
        help="The whole graph with a few images or words for one epoch, in a store of its own (STORE/rehearsals).",
    ),
]

Budget = Annotated[
    float | None,
    typer.Option(
        "--budget",
        help="Device hours (of GPUs, else of processes) that the sweep may spend in all; its file's budget otherwise.",
        metavar="HOURS",
        show_default=False,
    ),
]

ClusterStore = Annotated[
    str | None,
    typer.Option(
        "--store",
        help="Where finished generations are kept, as the cluster sees it: a URL, or a folder that all of its nodes "
        "share; else its own BANSWEEP_STORE.",
        metavar="STORE",
        parser=store_location,
        show_default=False,
    ),
]

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout, and nothing else there.")]
