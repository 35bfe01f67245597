"""What we ask of pods beyond the standard."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from manifest_checks.objects import Manifest, PodTemplate, pod_templates, title

_PINNED = re.compile(r".+(:[A-Za-z0-9_][A-Za-z0-9._-]*|@sha256:[0-9a-f]{64})")
# Whoever holds a token of Kubernetes' API can do what its ServiceAccount may.
_TOKEN_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"


def hardening_problems(manifests: Sequence[Manifest]) -> Iterator[str]:
    for template in pod_templates(manifests):
        for problem in _problems(template):
            yield f"{template.name}: {problem}"
    for manifest in manifests:
        if manifest["kind"] == "Secret":
            yield f"{title(manifest)}: a secret in the manifests"
        if manifest["kind"] == "ServiceAccount" and manifest.get("automountServiceAccountToken") is not False:
            yield f"{title(manifest)}: gives its token to whoever uses it"


def _problems(template: PodTemplate) -> Iterator[str]:
    spec = template.spec
    user = spec.get("securityContext", {}).get("runAsUser")
    if not isinstance(user, int) or user == 0:
        yield "no number says which user it runs as"
    if spec.get("automountServiceAccountToken") is not False:
        yield "every container gets a token of Kubernetes' API"
    if spec.get("serviceAccountName", "default") == "default":
        yield "no ServiceAccount of its own"
    for container in template.containers:
        name = container["name"]
        for amount in ("requests", "limits"):
            for resource in ("cpu", "memory"):
                if resource not in container.get("resources", {}).get(amount, {}):
                    yield f"{name} has no {amount} of {resource}"
        if container.get("securityContext", {}).get("readOnlyRootFilesystem") is not True:
            yield f"{name} may write to its root file system"
        image = container["image"]
        if not _PINNED.fullmatch(image) or image.endswith(":latest"):
            yield f"{name}'s image {image} is not pinned"
        for mount in container.get("volumeMounts", []):
            if mount["mountPath"].startswith(_TOKEN_PATH):
                yield f"{name} gets a token of Kubernetes' API"
    if not template.name.startswith("RayJob"):
        for container in spec["containers"]:
            for probe in ("readinessProbe", "livenessProbe"):
                if probe not in container:
                    yield f"{container['name']} has no {probe}"
