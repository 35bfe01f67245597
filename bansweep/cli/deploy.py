"""`bansweep deploy`: a sweep as what Kubernetes understands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from bansweep import __version__
from bansweep.cli.options import Budget, Only, Overrides, Rehearse, SweepFile
from bansweep.errors import RequestError
from bansweep.spec.reading import read_sweep
from bansweep.store.location import is_url


def deploy(
    sweep: SweepFile,
    namespace: Annotated[str, typer.Option(help="The cluster's namespace.")] = "bansweep",
    cluster: Annotated[str, typer.Option(help="The RayCluster that runs it.")] = "bansweep",
    image: Annotated[
        str, typer.Option(envvar="BANSWEEP_IMAGE", help="What submits it: the cluster's own image.")
    ] = f"bansweep:{__version__}-cpu",
    store: Annotated[
        str | None,
        typer.Option(
            help="Where finished generations are kept, as the cluster sees it; else where it keeps them anyway.",
            metavar="STORE",
            show_default=False,
        ),
    ] = None,
    overrides: Overrides = None,
    only: Only = None,
    rehearse: Rehearse = False,
    budget: Budget = None,
) -> None:
    """bansweep deploy sweeps/table2.yaml | kubectl apply -f -: run a sweep on a Ray cluster on Kubernetes.

    Prints a ConfigMap with the file and a RayJob, and changes nothing. The same again is the same objects.
    """
    from bansweep.deployment.manifest_yaml import is_too_large_to_apply, manifest_yaml
    from bansweep.deployment.manifests import manifests
    from bansweep.deployment.names import check_cluster, check_image, check_namespace
    from bansweep.deployment.submission import Submission

    check_namespace(namespace)
    check_cluster(cluster)
    check_image(image)
    if store is not None:
        _check_store(store)
    limit = [] if budget is None else [f"budget.gpu_hours={budget}"]
    spec = read_sweep(sweep, [*(overrides or ()), *limit])
    objects = manifests(
        Submission(
            text=sweep.read_bytes().decode("utf-8"),
            sweep=spec.name,
            namespace=namespace,
            cluster=cluster,
            image=image,
            store=store,
            overrides=overrides or (),
            only=only or (),
            rehearse=rehearse,
            budget=budget,
        )
    )
    typer.echo(manifest_yaml(objects), nl=False)
    if any(map(is_too_large_to_apply, objects)):
        typer.echo(
            f"bansweep: {sweep} is too large for `kubectl apply` as it is\n"
            "  `kubectl apply --server-side -f -` takes it",
            err=True,
        )


def _check_store(store: str) -> None:
    """Raises RequestError."""
    if is_url(store):
        if urlsplit(store).username or urlsplit(store).password:
            raise RequestError(
                "the store's URL holds credentials, which would be seen in the cluster",
                remedy="leave them out; they belong into the cluster's Secret bansweep-s3",
            )
    elif not Path(store).is_absolute():
        raise RequestError(
            f"--store {store}: a relative folder is another one on each node",
            remedy="name an object store, s3://BUCKET/FOLDER, or a folder that all nodes mount, from the root: /...",
        )
