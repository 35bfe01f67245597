"""The Pod Security Standard "restricted" (kubernetes.io/docs/concepts/security/pod-security-standards), by rules."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from manifest_checks.objects import Manifest, PodTemplate, pod_templates

_VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
_SYSCTLS = {
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.ping_group_range",
}
_SECCOMP = {"RuntimeDefault", "Localhost"}
_APP_ARMOR = {"RuntimeDefault", "Localhost"}
_SELINUX = {"container_t", "container_init_t", "container_kvm_t", "container_engine_t", ""}


def restricted_problems(manifests: Sequence[Manifest]) -> Iterator[str]:
    """What the API server would refuse in a namespace that enforces the standard."""
    for template in pod_templates(manifests):
        for problem in (*_pod_problems(template), *_containers_problems(template)):
            yield f"{template.name}: {problem}"
    for cluster in (one for one in manifests if one["kind"] == "RayCluster"):
        # KubeRay adds this container to the head's pod.
        autoscaler = {"name": "autoscaler", **cluster["spec"].get("autoscalerOptions", {})}
        pod = cluster["spec"]["headGroupSpec"]["template"]["spec"].get("securityContext", {})
        for problem in _container_problems(autoscaler, pod):
            yield f"RayCluster/{cluster['metadata']['name']}/head: {problem}"


def _pod_problems(template: PodTemplate) -> Iterator[str]:
    spec = template.spec
    security = spec.get("securityContext", {})
    yield from (f"{key} is on" for key in ("hostNetwork", "hostPID", "hostIPC") if spec.get(key))
    for volume in spec.get("volumes", []):
        kinds = set(volume) - {"name"}
        if not kinds <= _VOLUMES:
            yield f"volume {volume['name']} is a {', '.join(sorted(kinds - _VOLUMES))}"
    for sysctl in security.get("sysctls", []):
        if sysctl["name"] not in _SYSCTLS:
            yield f"sysctl {sysctl['name']}"
    yield from _identity_problems("the pod", security)


def _containers_problems(template: PodTemplate) -> Iterator[str]:
    for container in template.containers:
        yield from _container_problems(container, template.spec.get("securityContext", {}))


def _container_problems(container: Manifest, pod: Manifest) -> Iterator[str]:
    name = container["name"]
    security = container.get("securityContext", {})
    yield from _identity_problems(name, security)
    if security.get("privileged"):
        yield f"{name} is privileged"
    if security.get("allowPrivilegeEscalation") is not False:
        yield f"{name} may escalate its privileges"
    if security.get("procMount", "Default") != "Default":
        yield f"{name} has procMount {security['procMount']}"
    capabilities = security.get("capabilities", {})
    if "ALL" not in capabilities.get("drop", []):
        yield f"{name} keeps capabilities"
    if not set(capabilities.get("add", [])) <= {"NET_BIND_SERVICE"}:
        yield f"{name} adds capabilities"
    if security.get("runAsNonRoot", pod.get("runAsNonRoot")) is not True:
        yield f"{name} may run as root"
    if security.get("seccompProfile", pod.get("seccompProfile", {})).get("type") not in _SECCOMP:
        yield f"{name} has no seccomp profile"
    if any(port.get("hostPort") for port in container.get("ports", [])):
        yield f"{name} takes a port of the host"
    for kind in ("livenessProbe", "readinessProbe", "startupProbe"):
        for action in ("httpGet", "tcpSocket"):
            if container.get(kind, {}).get(action, {}).get("host"):
                yield f"{name} has a {kind} with a host"


def _identity_problems(name: str, security: Manifest) -> Iterator[str]:
    if security.get("runAsUser") == 0:
        yield f"{name} runs as user 0"
    if security.get("windowsOptions", {}).get("hostProcess"):
        yield f"{name} is a host process"
    if security.get("appArmorProfile", {"type": "RuntimeDefault"})["type"] not in _APP_ARMOR:
        yield f"{name} has no AppArmor profile"
    selinux = security.get("seLinuxOptions", {})
    if selinux.get("type", "") not in _SELINUX or selinux.get("user") or selinux.get("role"):
        yield f"{name} has SELinux options of its own"
