"""A sweep as Kubernetes objects: a ConfigMap with its file, and a RayJob that submits it to a cluster that is there."""

from __future__ import annotations

from typing import Any

from bansweep.deployment.names import head_service
from bansweep.deployment.submission import SWEEP_FILE, SWEEP_FOLDER, Submission, submit_command

Manifest = dict[str, Any]

# How often a submitter may be lost, or find that the head was, before the RayJob counts as failed. A sweep that fails
# is looked at as often, which with Kubernetes' growing pauses takes two and a half minutes.
_SUBMITTERS_LOST = 4
_USER = 10001

# Kubernetes starts a lost submitter again at once, the head may take minutes to come back.
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

    It has no `backoffLimit`: to try again, KubeRay deletes the cluster, also one that it was only told to use
    (`clusterSelector`). Nor has it `suspend`, `shutdownAfterJobFinishes` or `ttlSecondsAfterFinished`, which are for
    clusters that are the job's own, nor `activeDeadlineSeconds`: `--budget` ends a sweep, and says so.
    """
    return {
        "apiVersion": "ray.io/v1",
        "kind": "RayJob",
        "metadata": _metadata(submission),
        "spec": {
            "clusterSelector": {"ray.io/cluster": submission.cluster},
            "submissionMode": "K8sJobMode",
            "submitterConfig": {"backoffLimit": _SUBMITTERS_LOST},
            # For those who look at it: what is run is the submitter's command.
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
        # Any name of a sweep may stand here; of a label, most may not.
        "annotations": {"bansweep-sweep": submission.sweep},
    }


def _labels() -> dict[str, str]:
    # The component is what NetworkPolicies go by.
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
