"""A sweep as Kubernetes objects: a ConfigMap with its file, and a RayJob that submits it to a cluster."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from bansweep.errors import RequestError

Manifest = dict[str, Any]

SWEEP_FOLDER = "/etc/bansweep/sweep"
SWEEP_FILE = "sweep.yaml"

# KubeRay names other objects after a RayJob or a RayCluster, and refuses longer ones.
_JOB_LENGTH = 47
_CLUSTER_LENGTH = 41  # with "-head-svc" behind it 50, beyond which KubeRay cuts names
_NAMESPACE_LENGTH = 63
_HASH_LENGTH = 8
_PREFIX = "bansweep"

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")  # RFC 1123
_NAME = re.compile(r"[a-z]([a-z0-9-]*[a-z0-9])?")  # RFC 1035
_IMAGE = re.compile(r"[a-z0-9][a-z0-9._/:-]*(:[A-Za-z0-9_][A-Za-z0-9._-]{0,127})?(@sha256:[0-9a-f]{64})?")

# How often a submitter may be lost, or lose the head, before the RayJob counts as failed. The submitter of a failed
# sweep is restarted as often, which takes two and a half minutes with Kubernetes' growing pauses.
_SUBMITTERS_LOST = 4
_USER = 10001

# Kubernetes restarts a lost submitter at once; the head may take minutes to restart.
_WAIT_FOR_HEAD = """\
import sys, time, urllib.request
while True:
    try:
        urllib.request.urlopen(sys.argv[1], timeout=5).read()
        break
    except OSError as error:
        print(f"waiting for {sys.argv[1]}: {error}", flush=True)
        time.sleep(5)
"""

# `kubectl apply` copies the manifest into an annotation of the object; annotations hold at most 256 KiB.
_MOST_TO_APPLY = 256 * 1024 - 4096


@dataclass(frozen=True)
class Submission:
    """A sweep file's text and name, the options of `bansweep submit`, and the target.

    `code`: the texts of the Python files beside it, by name. `store` None is the cluster's; `budget` is in
    device hours.
    """

    text: str
    sweep: str
    namespace: str
    cluster: str
    image: str
    code: Mapping[str, str] = field(default_factory=dict)
    store: str | None = None
    overrides: Sequence[str] = ()
    only: Sequence[str] = ()
    rehearse: bool = False
    budget: float | None = None

    @property
    def options(self) -> tuple[str, ...]:
        return tuple(self._options())

    def _options(self) -> Iterator[str]:
        # With `=`: a value that begins with a hyphen stays a value.
        if self.store is not None:
            yield f"--store={self.store}"
        yield from (f"--set={override}" for override in self.overrides)
        yield from (f"--only={pattern}" for pattern in self.only)
        if self.rehearse:
            yield "--rehearse"
        if self.budget is not None:
            yield f"--budget={self.budget}"

    @property
    def name(self) -> str:
        """The name of its objects. It differs for everything that changes the run."""
        text = "".join([self.text, *(part for file in sorted(self.code.items()) for part in file)])
        return job_name(self.sweep, text, self.options, self.cluster, self.image)


def job_name(sweep: str, *contents: str | Sequence[str]) -> str:
    """A name that begins like the sweep's and differs for other `contents`; 47 characters at most (KubeRay's limit).

    The same sweep twice is the same object, which Kubernetes leaves alone; a changed sweep is another.
    """
    digest = hashlib.sha256(json.dumps(contents).encode()).hexdigest()[:_HASH_LENGTH]
    most = _JOB_LENGTH - len(_PREFIX) - len(digest) - 2
    readable = re.sub(r"[^a-z0-9]+", "-", sweep.lower())[:most].strip("-")
    return "-".join(part for part in (_PREFIX, readable, digest) if part)


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


def manifests(submission: Submission) -> list[Manifest]:
    """The ConfigMap and the RayJob."""
    return [config_map(submission), ray_job(submission)]


def config_map(submission: Submission) -> Manifest:
    """The sweep file. Immutable: a changed sweep has another name."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": _metadata(submission),
        "immutable": True,
        "data": {**submission.code, SWEEP_FILE: submission.text},
    }


def ray_job(submission: Submission) -> Manifest:
    """The RayJob.

    It has no `backoffLimit`: before a retry, KubeRay deletes the cluster, even one that it did not create
    (`clusterSelector`). Nor has it `suspend`, `shutdownAfterJobFinishes` or `ttlSecondsAfterFinished`, which are for
    clusters that the job creates, nor `activeDeadlineSeconds`: `--budget` ends a sweep, and reports it.
    """
    return {
        "apiVersion": "ray.io/v1",
        "kind": "RayJob",
        "metadata": _metadata(submission),
        "spec": {
            "clusterSelector": {"ray.io/cluster": submission.cluster},
            "submissionMode": "K8sJobMode",
            "submitterConfig": {"backoffLimit": _SUBMITTERS_LOST},
            # Only for display: the submitter's command is what runs.
            "entrypoint": f"bansweep run {SWEEP_FILE}",
            "submitterPodTemplate": {
                "metadata": {"labels": _labels()},
                "spec": _submitter(submission),
            },
        },
    }


def _metadata(submission: Submission) -> Manifest:
    return {
        "name": submission.name,
        "namespace": submission.namespace,
        "labels": _labels(),
        # An annotation may hold any name of a sweep; a label may not.
        "annotations": {"bansweep-sweep": submission.sweep},
    }


def _labels() -> dict[str, str]:
    # NetworkPolicies select by the component.
    return {"app.kubernetes.io/name": "bansweep", "app.kubernetes.io/component": "submitter"}


def _submitter(submission: Submission) -> Manifest:
    health = f"http://{head_service(submission.cluster)}:8265/api/gcs_healthz"
    return {
        "restartPolicy": "Never",
        "serviceAccountName": "bansweep-submitter",
        "automountServiceAccountToken": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _USER,
            "runAsGroup": _USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "initContainers": [
            {"name": "wait-for-head", "command": ["python", "-c", _WAIT_FOR_HEAD, health], **_container(submission)}
        ],
        # KubeRay takes the first container for the submitter: it adds the address, the job's id and Ray's token.
        "containers": [
            {
                "name": "submitter",
                "command": submit_command(submission),
                **_container(submission, {"name": "sweep", "mountPath": SWEEP_FOLDER, "readOnly": True}),
            }
        ],
        "volumes": [
            {"name": "scratch", "emptyDir": {"sizeLimit": "1Gi"}},
            {"name": "sweep", "configMap": {"name": submission.name}},
        ],
    }


def _container(submission: Submission, *mounts: Manifest) -> Manifest:
    return {
        "image": submission.image,
        "imagePullPolicy": "IfNotPresent",
        "resources": {"requests": {"cpu": "250m", "memory": "512Mi"}, "limits": {"cpu": "1", "memory": "1Gi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "scratch", "mountPath": "/tmp"}, *mounts],
    }


def head_service(cluster: str) -> str:
    """The name of the Service that KubeRay creates for a cluster's head."""
    return f"{cluster}-head-svc"


def submit_command(submission: Submission) -> list[str]:
    """Submits the sweep and follows it; KubeRay sets the two variables, of which the address has no scheme.

    A pod that replaces another finds the job by its id and continues to follow it. A restarted head does not know the
    job: it is submitted again, and resumes from the store.
    """
    return [
        "bansweep",
        "submit",
        f"{SWEEP_FOLDER}/{SWEEP_FILE}",
        "--address=http://$(RAY_DASHBOARD_ADDRESS)",
        "--job=$(RAY_JOB_SUBMISSION_ID)",
        "--follow",
        *map(literal, submission.options),
    ]


def literal(text: str) -> str:
    """`text` as an argument of a container, escaped: Kubernetes would replace `$(NAME)`."""
    return text.replace("$", "$$")


class _Dumper(yaml.SafeDumper):
    """Writes a text of several lines as a literal block if YAML can."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def manifest_yaml(manifests: Sequence[Manifest]) -> str:
    """The manifests as documents of one YAML stream."""
    return yaml.dump_all(
        manifests, Dumper=_Dumper, sort_keys=False, allow_unicode=True, explicit_start=True, width=2**16
    )


def is_too_large_to_apply(manifest: Manifest) -> bool:
    """Whether `kubectl apply` needs its option --server-side for this one."""
    return len(json.dumps(manifest)) > _MOST_TO_APPLY
