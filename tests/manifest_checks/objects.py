"""Finding one's way among Kubernetes objects."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

Manifest = dict[str, Any]


class PodTemplate(NamedTuple):
    """Pods that an object makes: `name` says which, `labels` and `spec` are theirs."""

    name: str
    labels: dict[str, str]
    spec: Manifest

    @property
    def containers(self) -> list[Manifest]:
        return [*self.spec.get("initContainers", []), *self.spec["containers"]]


def title(manifest: Manifest) -> str:
    return f"{manifest['kind']}/{manifest['metadata']['name']}"


def of_kind(manifests: Sequence[Manifest], kind: str) -> list[Manifest]:
    return [one for one in manifests if one["kind"] == kind]


def named(manifests: Sequence[Manifest], kind: str, name: str) -> Manifest:
    return next(one for one in of_kind(manifests, kind) if one["metadata"]["name"] == name)


def pod_templates(manifests: Sequence[Manifest]) -> Iterator[PodTemplate]:
    """Every pod template, also those inside of RayClusters and RayJobs."""
    for manifest in manifests:
        for place, template in _templates(manifest):
            yield PodTemplate(
                f"{title(manifest)}{place}", template.get("metadata", {}).get("labels", {}), template["spec"]
            )


def _templates(manifest: Manifest) -> Iterator[tuple[str, Manifest]]:
    spec = manifest.get("spec", {})
    match manifest["kind"]:
        case "Deployment" | "StatefulSet" | "Job" | "DaemonSet":
            yield "", spec["template"]
        case "RayCluster":
            yield "/head", spec["headGroupSpec"]["template"]
            for group in spec.get("workerGroupSpecs", []):
                yield f"/{group['groupName']}", group["template"]
        case "RayJob":
            yield "/submitter", spec["submitterPodTemplate"]


def selects(selector: Manifest, labels: dict[str, str]) -> bool:
    """Whether a LabelSelector selects what has these labels."""
    if not all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items()):
        return False
    for rule in selector.get("matchExpressions", []):
        value = labels.get(rule["key"])
        match rule["operator"]:
            case "In":
                fits = value in rule["values"]
            case "NotIn":
                fits = value not in rule["values"]
            case "Exists":
                fits = value is not None
            case _:
                fits = value is None
        if not fits:
            return False
    return True
