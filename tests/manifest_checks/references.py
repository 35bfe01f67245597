"""That names lead somewhere: of ConfigMaps, Secrets, volumes, ServiceAccounts, ports, and of what selectors select."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from manifest_checks.objects import Manifest, PodTemplate, named, of_kind, pod_templates, selects, title

# Made by deploy/make-secrets.sh, as docs/kubernetes.md says; never in the repository.
SECRETS = {
    "bansweep-postgres": {"password"},
    "bansweep-mlflow": {"username", "password", "session-key"},
    "bansweep-s3": {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"},
}
# Kubernetes puts it into every namespace.
ALWAYS_THERE = {"kube-root-ca.crt": {"ca.crt"}}


def reference_problems(manifests: Sequence[Manifest]) -> Iterator[str]:
    config_maps = {one["metadata"]["name"]: set(one.get("data", {})) for one in of_kind(manifests, "ConfigMap")}
    known = {"ConfigMap": {**config_maps, **ALWAYS_THERE}, "Secret": SECRETS}
    accounts = {one["metadata"]["name"] for one in of_kind(manifests, "ServiceAccount")}
    claims = {one["metadata"]["name"] for one in of_kind(manifests, "PersistentVolumeClaim")}
    for template in pod_templates(manifests):
        if template.spec.get("serviceAccountName") not in accounts:
            yield f"{template.name}: there is no ServiceAccount {template.spec.get('serviceAccountName')}"
        for kind, name, keys in _read_by(template):
            if name not in known[kind]:
                yield f"{template.name}: there is no {kind} {name}"
            elif missing := keys - known[kind][name]:
                yield f"{template.name}: {kind} {name} has no {', '.join(sorted(missing))}"
        yield from (f"{template.name}: {problem}" for problem in _volume_problems(template, claims, manifests))
    yield from _selector_problems(manifests)


def _read_by(template: PodTemplate) -> Iterator[tuple[str, str, set[str]]]:
    """ConfigMaps and Secrets that a pod reads: kind, name, and keys that have to be there."""
    for container in template.containers:
        for source in container.get("envFrom", []):
            for field, kind in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")):
                if field in source:
                    yield kind, source[field]["name"], set()
        for variable in container.get("env", []):
            for field, kind in (("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")):
                if reference := variable.get("valueFrom", {}).get(field):
                    yield kind, reference["name"], {reference["key"]}
    for volume in template.spec.get("volumes", []):
        for source in (volume, *volume.get("projected", {}).get("sources", [])):
            for field, kind, key in (("configMap", "ConfigMap", "name"), ("secret", "Secret", "secretName")):
                if reference := source.get(field):
                    yield kind, reference[key], {item["key"] for item in reference.get("items", [])}


def _volume_problems(template: PodTemplate, claims: set[str], manifests: Sequence[Manifest]) -> Iterator[str]:
    volumes = {volume["name"]: volume for volume in template.spec.get("volumes", [])}
    kind, _, rest = template.name.partition("/")
    if kind == "StatefulSet":
        volumes |= {
            one["metadata"]["name"]: one for one in named(manifests, kind, rest)["spec"].get("volumeClaimTemplates", [])
        }
    mounted = {mount["name"] for container in template.containers for mount in container.get("volumeMounts", [])}
    if kind == "RayCluster" and rest.endswith("/head"):
        options = named(manifests, kind, rest.removesuffix("/head"))["spec"].get("autoscalerOptions", {})
        mounted |= {mount["name"] for mount in options.get("volumeMounts", [])}
    yield from (f"there is no volume {name}" for name in sorted(mounted - set(volumes)))
    yield from (f"nothing mounts volume {name}" for name in sorted(set(volumes) - mounted))
    for volume in volumes.values():
        claim = volume.get("persistentVolumeClaim", {}).get("claimName")
        if claim is not None and claim not in claims:
            yield f"there is no PersistentVolumeClaim {claim}"


def _selector_problems(manifests: Sequence[Manifest]) -> Iterator[str]:
    templates = list(pod_templates(manifests))
    for manifest in manifests:
        spec = manifest.get("spec", {})
        match manifest["kind"]:
            case "Deployment" | "StatefulSet":
                if not selects(spec["selector"], spec["template"]["metadata"].get("labels", {})):
                    yield f"{title(manifest)}: does not select its own pods"
            case "PodDisruptionBudget":
                if not any(selects(spec["selector"], template.labels) for template in templates):
                    yield f"{title(manifest)}: selects no pod"
            case "Service":
                yield from _service_problems(manifest, templates)
            case "NetworkPolicy":
                yield from _policy_problems(manifest, templates)


def _service_problems(service: Manifest, templates: Sequence[PodTemplate]) -> Iterator[str]:
    selector = {"matchLabels": service["spec"]["selector"]}
    chosen = [template for template in templates if selects(selector, template.labels)]
    if not chosen:
        yield f"{title(service)}: selects no pod"
    for template in chosen:
        ports = [port for container in template.spec["containers"] for port in container.get("ports", [])]
        there = {port["containerPort"] for port in ports} | {port.get("name") for port in ports}
        for port in service["spec"]["ports"]:
            if (target := port.get("targetPort", port["port"])) not in there:
                yield f"{title(service)}: {template.name} has no port {target}"


def _policy_problems(policy: Manifest, templates: Sequence[PodTemplate]) -> Iterator[str]:
    selectors = [policy["spec"]["podSelector"]]
    for rule in (*policy["spec"].get("ingress", []), *policy["spec"].get("egress", [])):
        peers = (*rule.get("from", []), *rule.get("to", []))
        selectors += [
            peer["podSelector"] for peer in peers if "podSelector" in peer and "namespaceSelector" not in peer
        ]
    for selector in selectors:
        if not any(selects(selector, template.labels) for template in templates):
            yield f"{title(policy)}: selects no pod: {selector}"
        for rule in selector.get("matchExpressions", []):
            for value in rule.get("values", []):
                if not any(template.labels.get(rule["key"]) == value for template in templates):
                    yield f"{title(policy)}: no pod has {rule['key']}={value}"
