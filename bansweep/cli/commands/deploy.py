"""`bansweep deploy`: a sweep as Kubernetes objects."""

from __future__ import annotations

from typing import Annotated

import typer

from bansweep import __version__
from bansweep.cli.cluster_jobs import check_seen_by_cluster, files_beside
from bansweep.cli.options import Budget, ClusterStore, Only, Overrides, Rehearse, SweepFile
from bansweep.config.reading import read_sweep
from bansweep.errors import RequestError


def deploy(
    sweep: SweepFile,
    namespace: Annotated[str, typer.Option(help="The cluster's namespace.")] = "bansweep",
    cluster: Annotated[str, typer.Option(help="The RayCluster that runs it.")] = "bansweep",
    image: Annotated[
        str, typer.Option(envvar="BANSWEEP_IMAGE", help="What submits it: the cluster's own image.")
    ] = f"bansweep:{__version__}-cpu",
    store: ClusterStore = None,
    overrides: Overrides = None,
    only: Only = None,
    rehearse: Rehearse = False,
    budget: Budget = None,
) -> None:
    """bansweep deploy sweeps/table2.yaml | kubectl apply -f -: run a sweep on a Ray cluster on Kubernetes.

    Prints a ConfigMap with the file and a RayJob, and changes nothing. The same again is the same objects.

    Example: bansweep deploy sweeps/table2.yaml --namespace research --store s3://networks/store
    """
    from bansweep.jobs.kubernetes import (
        Submission,
        check_cluster,
        check_image,
        check_namespace,
        is_too_large_to_apply,
        manifest_yaml,
        manifests,
    )

    check_namespace(namespace)
    check_cluster(cluster)
    check_image(image)
    limit = [] if budget is None else [f"budget.gpu_hours={budget}"]
    spec = read_sweep(sweep, [*(overrides or ()), *limit])
    check_seen_by_cluster(spec.data, store)
    code = files_beside(spec)
    if folders := [file for file in code if "/" in file]:
        raise RequestError(
            f"{folders[0]}: a ConfigMap holds no folders", remedy="put it beside the sweep file, and name it from there"
        )
    objects = manifests(
        Submission(
            text=sweep.read_bytes().decode("utf-8"),
            code=code,
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
