"""What a sweep names has to be there for a cluster's nodes, too."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from bansweep.errors import RequestError
from bansweep.spec.data import DataSpec
from bansweep.spec.own_code import code_files
from bansweep.spec.sweep import SweepSpec
from bansweep.store.location import is_url


def files_beside(spec: SweepSpec) -> dict[str, str]:
    """The Python files that a sweep names, to be laid beside it on the cluster. Raises RequestError for one that lies
    elsewhere."""
    files = code_files(spec)
    for file in files:
        path = PurePosixPath(Path(file).as_posix())
        if path.is_absolute() or ".." in path.parts or file.startswith("~"):
            raise RequestError(
                f"{file} cannot go to the cluster with the sweep file: it lies in another folder",
                remedy="put it into the sweep file's folder, or one below, and name it from there",
            )
    return files


def check_seen_by_cluster(data: DataSpec, store: str | None) -> None:
    """Raises RequestError for folders that mean another one on each machine. Opens no store."""
    if store is not None and not is_url(store) and not Path(store).is_absolute():
        raise RequestError(
            f"--store {store}: a relative folder is another one on each node",
            remedy="name an object store, s3://BUCKET/FOLDER, or from the root a folder that all nodes share",
        )
    for name, path in data:
        if isinstance(path, Path) and not path.expanduser().is_absolute():
            raise RequestError(
                f"data.{name}: {path}: a relative folder is another one on each node",
                remedy=f"name it from the root, as the cluster's nodes see it (--set data.{name}=/...)",
            )
