"""A check that cannot fail checks nothing: each kind of mistake, made on purpose, is found."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from manifest_checks.everything import problems
from manifest_checks.objects import Manifest, named, of_kind
from manifest_checks.rendering import rendered

from bansweep.jobs.kubernetes import Submission, manifests

Change = Callable[[list[Manifest]], object]


def cluster(objects: Sequence[Manifest]) -> Manifest:
    return named(objects, "RayCluster", "bansweep")["spec"]


def head(objects: Sequence[Manifest]) -> Manifest:
    return cluster(objects)["headGroupSpec"]["template"]["spec"]


def worker(objects: Sequence[Manifest]) -> Manifest:
    return cluster(objects)["workerGroupSpecs"][0]["template"]["spec"]


def mlflow(objects: Sequence[Manifest]) -> Manifest:
    return named(objects, "Deployment", "bansweep-mlflow")["spec"]["template"]["spec"]


def postgres(objects: Sequence[Manifest]) -> Manifest:
    return named(objects, "StatefulSet", "bansweep-postgres")["spec"]["template"]["spec"]


def job(objects: Sequence[Manifest]) -> Manifest:
    return of_kind(objects, "RayJob")[0]["spec"]


def submitter(objects: Sequence[Manifest]) -> Manifest:
    return job(objects)["submitterPodTemplate"]["spec"]


def policy(objects: Sequence[Manifest], name: str) -> Manifest:
    return named(objects, "NetworkPolicy", name)["spec"]


def first(spec: Manifest) -> Manifest:
    return spec["containers"][0]


def environment(spec: Manifest, name: str) -> Manifest:
    return next(one for one in first(spec)["env"] if one["name"] == name)


SCHEMA: dict[str, tuple[Change, str]] = {
    "a misspelt field": (lambda o: mlflow(o).update(serviceAcountName="a"), "serviceAcountName"),
    "a misspelt field of a container": (lambda o: first(postgres(o)).update(imagePolicy="Always"), "imagePolicy"),
    "a misspelt field of a custom object": (lambda o: cluster(o).update(enableAutoscaling=True), "enableAutoscaling"),
    "a misspelt field deep in a custom object": (
        lambda o: cluster(o)["autoscalerOptions"].update(idleTimeout=60),
        "idleTimeout",
    ),
    "a misspelt field in a custom object's pod": (lambda o: worker(o).update(toleration=[]), "toleration"),
    "a misspelt field in a custom object's container": (lambda o: first(head(o)).update(envs=[]), "envs"),
    "a misspelt field of a job": (lambda o: job(o).update(submissonMode="HTTPMode"), "submissonMode"),
    "a misspelt field of metadata": (lambda o: of_kind(o, "RayJob")[0]["metadata"].update(label={}), "label"),
    "a wrong type": (lambda o: named(o, "Deployment", "bansweep-mlflow")["spec"].update(replicas="1"), "replicas"),
    "a wrong type in a custom object": (
        lambda o: cluster(o)["workerGroupSpecs"][0].update(maxReplicas="8"),
        "maxReplicas",
    ),
    "a number where rayStartParams has texts": (
        lambda o: cluster(o)["headGroupSpec"]["rayStartParams"].update({"num-cpus": 0}),
        "num-cpus",
    ),
    "a number as a variable": (lambda o: first(mlflow(o))["env"].append({"name": "A", "value": 1}), "value"),
    "an unknown value": (lambda o: cluster(o)["authOptions"].update(mode="none"), "mode"),
    "no template": (lambda o: cluster(o)["headGroupSpec"].pop("template"), "template"),
    "no selector": (lambda o: named(o, "Deployment", "bansweep-mlflow")["spec"].pop("selector"), "selector"),
    "a container without a name": (lambda o: first(worker(o)).pop("name"), "name"),
}

SECURITY: dict[str, tuple[Change, str]] = {
    "privileged": (lambda o: first(head(o))["securityContext"].update(privileged=True), "privileged"),
    "escalation": (lambda o: first(worker(o))["securityContext"].pop("allowPrivilegeEscalation"), "escalate"),
    "the autoscaler's escalation": (
        lambda o: cluster(o)["autoscalerOptions"]["securityContext"].update(allowPrivilegeEscalation=True),
        "autoscaler may escalate",
    ),
    "the autoscaler without a context": (
        lambda o: cluster(o)["autoscalerOptions"].pop("securityContext"),
        "autoscaler keeps",
    ),
    "root": (lambda o: mlflow(o)["securityContext"].update(runAsNonRoot=False), "may run as root"),
    "user 0": (lambda o: postgres(o)["securityContext"].update(runAsUser=0), "user 0"),
    "a container's user 0": (lambda o: first(postgres(o))["securityContext"].update(runAsUser=0), "user 0"),
    "capabilities kept": (lambda o: first(submitter(o))["securityContext"].pop("capabilities"), "keeps capabilities"),
    "capabilities added": (
        lambda o: first(worker(o))["securityContext"]["capabilities"].update(add=["SYS_PTRACE"]),
        "adds capabilities",
    ),
    "no seccomp": (lambda o: worker(o)["securityContext"].pop("seccompProfile"), "seccomp"),
    "seccomp unconfined": (
        lambda o: head(o)["securityContext"].update(seccompProfile={"type": "Unconfined"}),
        "seccomp",
    ),
    "an init container is looked at too": (
        lambda o: submitter(o)["initContainers"][0].pop("securityContext"),
        "wait-for-head may escalate",
    ),
    "hostPath": (
        lambda o: worker(o)["volumes"].append({"name": "scratch2", "hostPath": {"path": "/"}}),
        "is a hostPath",
    ),
    "hostNetwork": (lambda o: head(o).update(hostNetwork=True), "hostNetwork"),
    "hostPID": (lambda o: worker(o).update(hostPID=True), "hostPID"),
    "hostIPC": (lambda o: worker(o).update(hostIPC=True), "hostIPC"),
    "hostPort": (lambda o: first(head(o))["ports"][0].update(hostPort=6379), "port of the host"),
    "a probe's host": (lambda o: first(mlflow(o))["livenessProbe"]["httpGet"].update(host="10.0.0.1"), "with a host"),
    "procMount": (lambda o: first(worker(o))["securityContext"].update(procMount="Unmasked"), "procMount"),
    "a sysctl": (
        lambda o: head(o)["securityContext"].update(sysctls=[{"name": "kernel.msgmax", "value": "1"}]),
        "sysctl",
    ),
    "AppArmor off": (
        lambda o: head(o)["securityContext"].update(appArmorProfile={"type": "Unconfined"}),
        "AppArmor",
    ),
    "SELinux": (lambda o: head(o)["securityContext"].update(seLinuxOptions={"type": "spc_t"}), "SELinux"),
    "a host process": (
        lambda o: head(o)["securityContext"].update(windowsOptions={"hostProcess": True}),
        "host process",
    ),
}

HARDENING: dict[str, tuple[Change, str]] = {
    "no memory limit": (lambda o: first(worker(o))["resources"]["limits"].pop("memory"), "no limits of memory"),
    "no requests": (lambda o: first(mlflow(o))["resources"].pop("requests"), "no requests of cpu"),
    "a root file system to write to": (
        lambda o: first(submitter(o))["securityContext"].update(readOnlyRootFilesystem=False),
        "root file system",
    ),
    "an image without a tag": (lambda o: first(postgres(o)).update(image="postgres"), "not pinned"),
    "an image of a port, without a tag": (
        lambda o: first(postgres(o)).update(image="localhost:5000/postgres"),
        "not pinned",
    ),
    "the latest image": (lambda o: first(postgres(o)).update(image="postgres:latest"), "not pinned"),
    "no liveness probe": (lambda o: first(head(o)).pop("livenessProbe"), "no livenessProbe"),
    "no readiness probe": (lambda o: first(mlflow(o)).pop("readinessProbe"), "no readinessProbe"),
    "a token for all containers": (lambda o: worker(o).pop("automountServiceAccountToken"), "token"),
    "a token for Ray": (
        lambda o: first(head(o))["volumeMounts"].append(
            {"name": "kubernetes-api", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}
        ),
        "ray-head gets a token",
    ),
    "an account that gives its token": (
        lambda o: named(o, "ServiceAccount", "bansweep-worker").pop("automountServiceAccountToken"),
        "gives its token",
    ),
    "no number for the user": (lambda o: mlflow(o)["securityContext"].pop("runAsUser"), "no number"),
    "a secret": (
        lambda o: o.append(
            {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}, "stringData": {"password": "1234"}}
        ),
        "a secret in the manifests",
    ),
}

REFERENCES: dict[str, tuple[Change, str]] = {
    "a ConfigMap": (
        lambda o: first(head(o))["envFrom"][0]["configMapRef"].update(name="settings"),
        "no ConfigMap settings",
    ),
    "a ConfigMap as a volume": (
        lambda o: submitter(o)["volumes"][1]["configMap"].update(name="other"),
        "no ConfigMap other",
    ),
    "a Secret": (
        lambda o: environment(mlflow(o), "PGPASSWORD")["valueFrom"]["secretKeyRef"].update(name="db"),
        "no Secret db",
    ),
    "a Secret's key": (
        lambda o: environment(worker(o), "MLFLOW_TRACKING_USERNAME")["valueFrom"]["secretKeyRef"].update(key="user"),
        "has no user",
    ),
    "a ServiceAccount": (lambda o: worker(o).update(serviceAccountName="workers"), "no ServiceAccount workers"),
    "a volume": (lambda o: mlflow(o)["volumes"].pop(), "no volume authentication"),
    "a volume that nothing mounts": (
        lambda o: worker(o)["volumes"].append({"name": "more", "emptyDir": {}}),
        "nothing mounts volume more",
    ),
    "a claim": (
        lambda o: worker(o)["volumes"][0].update(persistentVolumeClaim={"claimName": "none"}),
        "no PersistentVolumeClaim none",
    ),
    "a Service's selector": (
        lambda o: named(o, "Service", "bansweep-mlflow")["spec"]["selector"].update(tier="web"),
        "Service/bansweep-mlflow: selects no pod",
    ),
    "a Service's port": (
        lambda o: named(o, "Service", "bansweep-postgres")["spec"]["ports"][0].update(targetPort="sql"),
        "no port sql",
    ),
    "a Deployment's selector": (
        lambda o: named(o, "Deployment", "bansweep-mlflow")["spec"]["selector"]["matchLabels"].update(a="b"),
        "does not select its own pods",
    ),
    "a budget's selector": (
        lambda o: named(o, "PodDisruptionBudget", "bansweep-head")["spec"]["selector"]["matchLabels"].update(a="b"),
        "PodDisruptionBudget/bansweep-head: selects no pod",
    ),
    "a policy's selector": (
        lambda o: policy(o, "postgres")["podSelector"]["matchLabels"].update({"app.kubernetes.io/component": "pg"}),
        "NetworkPolicy/postgres: selects no pod",
    ),
    "a policy's peer": (
        lambda o: policy(o, "submitter-to-head")["egress"][0]["to"][0]["podSelector"]["matchLabels"].update(a="b"),
        "NetworkPolicy/submitter-to-head: selects no pod",
    ),
    "a policy's value": (
        lambda o: policy(o, "ray-nodes-to-mlflow")["podSelector"]["matchExpressions"][0]["values"].append("ray"),
        "component=ray",
    ),
}

KUBERAY: dict[str, tuple[Change, str]] = {
    "no token": (lambda o: cluster(o).pop("authOptions"), "no token"),
    "a Ray that knows no token": (lambda o: cluster(o).update(rayVersion="2.51.0"), "2.52"),
    "a head that works": (lambda o: cluster(o)["headGroupSpec"]["rayStartParams"].pop("num-cpus"), "head does work"),
    "a container before Ray's": (
        lambda o: worker(o)["containers"].insert(0, {**first(worker(o)), "name": "sidecar"}),
        "the first container",
    ),
    "pods that start again": (lambda o: worker(o).update(restartPolicy="Always"), "restartPolicy Never"),
    "workers that stay": (lambda o: cluster(o)["workerGroupSpecs"][0].update(minReplicas=1), "grow from nothing"),
    "two groups of one name": (
        lambda o: cluster(o)["workerGroupSpecs"].append(cluster(o)["workerGroupSpecs"][0]),
        "names of their own",
    ),
    "a second try that deletes the cluster": (lambda o: job(o).update(backoffLimit=2), "backoffLimit does not go"),
    "a time to live": (lambda o: job(o).update(ttlSecondsAfterFinished=60), "ttlSecondsAfterFinished does not go"),
    "a suspended job": (lambda o: job(o).update(suspend=True), "suspend does not go"),
    "a long name": (lambda o: of_kind(o, "RayJob")[0]["metadata"].update(name="a" * 48), "is no name"),
    "a job in a queue": (
        lambda o: of_kind(o, "RayJob")[0]["metadata"]["labels"].update({"kueue.x-k8s.io/queue-name": "q"}),
        "Kueue takes no RayJob",
    ),
    "no command": (lambda o: first(submitter(o)).pop("command"), "KubeRay submits the entrypoint"),
}

MISTAKES = {**SCHEMA, **SECURITY, **HARDENING, **REFERENCES, **KUBERAY}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistake_is_found(mistake: str) -> None:
    objects = rendered("gpu") + manifests(Submission("name: a", "a", "bansweep", "bansweep", "bansweep:1-cuda"))
    change, told = MISTAKES[mistake]
    change(objects)
    assert any(told in problem for problem in problems(objects)), problems(objects)


def test_no_mistake_is_lost_under_the_name_of_another() -> None:
    assert len(MISTAKES) == sum(map(len, (SCHEMA, SECURITY, HARDENING, REFERENCES, KUBERAY)))
