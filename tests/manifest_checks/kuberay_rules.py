"""What KubeRay's operator asks of its objects beyond their schemas (utils/validation.go), and what it does to them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from manifest_checks.objects import Manifest, of_kind

_DNS_1035 = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
# Each of them KubeRay refuses with `clusterSelector`, ignores, or takes as a reason to delete the selected cluster.
_NOT_WITH_A_SELECTOR = (
    "rayClusterSpec",
    "suspend",
    "shutdownAfterJobFinishes",
    "ttlSecondsAfterFinished",
    "deletionStrategy",
    "backoffLimit",
)


def kuberay_problems(manifests: Sequence[Manifest]) -> Iterator[str]:
    for cluster in of_kind(manifests, "RayCluster"):
        yield from (f"RayCluster: {problem}" for problem in _cluster_problems(cluster))
    for job in of_kind(manifests, "RayJob"):
        yield from (f"RayJob: {problem}" for problem in _job_problems(job))


def _cluster_problems(cluster: Manifest) -> Iterator[str]:
    spec, name = cluster["spec"], cluster["metadata"]["name"]
    if len(name) > 53 or not _DNS_1035.fullmatch(name):
        yield f"{name} is no name"
    if spec.get("authOptions", {}).get("mode") != "token":
        yield "whoever reaches Ray may use it: no token"
    elif tuple(map(int, spec.get("rayVersion", "0.0").split(".")[:2])) < (2, 52):
        yield "a token needs rayVersion 2.52"
    if spec.get("autoscalerOptions", {}).get("version") != "v2" or not spec.get("enableInTreeAutoscaling"):
        yield "does not scale itself"
    if spec["headGroupSpec"].get("rayStartParams", {}).get("num-cpus") != "0":
        yield "the head does work"
    groups = [spec["headGroupSpec"], *spec["workerGroupSpecs"]]
    for group in groups:
        if group["template"]["spec"].get("restartPolicy", "Never") != "Never":
            yield "autoscaler v2 needs restartPolicy Never"
        if not group["template"]["spec"]["containers"][0]["name"].startswith("ray-"):
            yield "KubeRay takes the first container for Ray's"
        if group.get("resources") and group.get("rayStartParams", {}).keys() & {"num-cpus", "num-gpus", "memory"}:
            yield "resources are given twice"
    names = [group["groupName"] for group in spec["workerGroupSpecs"]]
    if len(set(names)) != len(names) or not names:
        yield "worker groups need names of their own"
    for group in spec["workerGroupSpecs"]:
        if not 0 == group["minReplicas"] == group["replicas"] < group["maxReplicas"]:
            yield f"group {group['groupName']} does not grow from nothing"


def _job_problems(job: Manifest) -> Iterator[str]:
    spec, name = job["spec"], job["metadata"]["name"]
    if len(name) > 47 or not _DNS_1035.fullmatch(name):
        yield f"{name} is no name"
    if not spec.get("clusterSelector", {}).get("ray.io/cluster"):
        yield "selects no cluster"
    yield from (f"{field} does not go with clusterSelector" for field in _NOT_WITH_A_SELECTOR if field in spec)
    if "kueue.x-k8s.io/queue-name" in job["metadata"].get("labels", {}):
        yield "Kueue takes no RayJob that uses an existing cluster"
    if not spec["submitterPodTemplate"]["spec"]["containers"][0].get("command"):
        yield "without a command KubeRay submits the entrypoint itself"
