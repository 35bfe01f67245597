"""Names of Kubernetes objects, and what may be one."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence

from bansweep.errors import RequestError

# KubeRay names other objects after a RayJob or a RayCluster, and refuses longer ones.
_JOB_LENGTH = 47
_CLUSTER_LENGTH = 41  # with "-head-svc" behind it 50, beyond which KubeRay cuts names
_NAMESPACE_LENGTH = 63
_HASH_LENGTH = 8
_PREFIX = "bansweep"

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")  # RFC 1123
_NAME = re.compile(r"[a-z]([a-z0-9-]*[a-z0-9])?")  # RFC 1035
_IMAGE = re.compile(r"[a-z0-9][a-z0-9._/:-]*(:[A-Za-z0-9_][A-Za-z0-9._-]{0,127})?(@sha256:[0-9a-f]{64})?")


def job_name(sweep: str, *contents: str | Sequence[str]) -> str:
    """A name that begins like the sweep's and is another for other `contents`; 47 characters at most (KubeRay's limit).

    The same twice is the same object, which Kubernetes leaves alone; a changed sweep is another.
    """
    digest = hashlib.sha256(json.dumps(contents).encode()).hexdigest()[:_HASH_LENGTH]
    room = _JOB_LENGTH - len(_PREFIX) - len(digest) - 2
    readable = re.sub(r"[^a-z0-9]+", "-", sweep.lower())[:room].strip("-")
    return "-".join(part for part in (_PREFIX, readable, digest) if part)


def head_service(cluster: str) -> str:
    """The Service that KubeRay makes for a cluster's head."""
    return f"{cluster}-head-svc"


def check_namespace(name: str) -> None:
    """Raises RequestError."""
    if len(name) > _NAMESPACE_LENGTH or not _LABEL.fullmatch(name):
        raise RequestError(
            f"--namespace {name!r} is no name of a namespace",
            remedy=f"lower-case letters, digits and -, {_NAMESPACE_LENGTH} characters at most",
        )


def check_cluster(name: str) -> None:
    """Raises RequestError."""
    if len(name) > _CLUSTER_LENGTH or not _NAME.fullmatch(name):
        raise RequestError(
            f"--cluster {name!r} is no name of a RayCluster",
            remedy=f"lower-case letters, digits and -, beginning with a letter, {_CLUSTER_LENGTH} characters at most; "
            "`kubectl get rayclusters` lists them",
        )


def check_image(name: str) -> None:
    """Raises RequestError."""
    if not _IMAGE.fullmatch(name):
        raise RequestError(
            f"--image {name!r} is no name of an image", remedy="such as registry.example.com/bansweep:0.1.0-cuda"
        )
