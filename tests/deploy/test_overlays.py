"""Every object of every overlay: schemas of Kubernetes and KubeRay, Pod Security "restricted", names, selectors."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml
from manifest_checks.everything import problems
from manifest_checks.objects import Manifest, named, of_kind
from manifest_checks.references import SECRETS
from manifest_checks.rendering import DEPLOY, OVERLAYS, PROJECT, built, rendered
from manifest_checks.schemas import VERSIONS, schema_problems

from bansweep import __version__
from bansweep.cluster.allocation import announced_nodes
from bansweep.jobs.kubernetes import Submission, manifests


def with_sweep(overlay: str) -> list[Manifest]:
    """An overlay, and a sweep that is submitted to it."""
    submission = Submission("name: a", "a", "bansweep", "bansweep", "registry.example.com/bansweep:0.1.0-cuda")
    return rendered(overlay) + manifests(submission)


def test_the_three_overlays_are_there() -> None:
    assert OVERLAYS == ["gpu", "local-cpu", "spot"]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_overlay_has_no_problem(overlay: str) -> None:
    assert problems(with_sweep(overlay)) == []


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_overlay_is_known_to_the_oldest_kubernetes_too(overlay: str) -> None:
    assert list(schema_problems(rendered(overlay), VERSIONS[0])) == []


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_all_is_in_one_namespace_that_enforces_the_standard(overlay: str) -> None:
    objects = rendered(overlay)
    (namespace,) = of_kind(objects, "Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    places = {one["metadata"].get("namespace") for one in objects if one["kind"] != "Namespace"}
    assert places == {namespace["metadata"]["name"]}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_head_knows_what_nodes_there_can_be(overlay: str) -> None:
    (cluster,) = of_kind(rendered(overlay), "RayCluster")
    (head,) = cluster["spec"]["headGroupSpec"]["template"]["spec"]["containers"]
    announced = {one["name"]: one.get("value") for one in head["env"]}["BANSWEEP_CLUSTER_NODES"]
    expected = []
    for group in cluster["spec"]["workerGroupSpecs"]:
        limits = group["template"]["spec"]["containers"][0]["resources"]["limits"]
        node = {"CPU": float(limits["cpu"])}
        if gpus := limits.get("nvidia.com/gpu"):
            node["GPU"] = float(gpus)
        expected += [node] * group["maxReplicas"]
    assert announced_nodes(announced) == expected


def groups(overlay: str) -> dict[str, Manifest]:
    cluster = named(rendered(overlay), "RayCluster", "bansweep")
    return {group["groupName"]: group for group in cluster["spec"]["workerGroupSpecs"]}


def limits(group: Manifest) -> Manifest:
    return group["template"]["spec"]["containers"][0]["resources"]["limits"]


def test_only_gpu_overlays_ask_for_gpus() -> None:
    assert set(groups("local-cpu")) == {"cpu"}
    assert "nvidia.com/gpu" not in limits(groups("local-cpu")["cpu"])
    assert set(groups("gpu")) == {"gpu"}
    assert limits(groups("gpu")["gpu"])["nvidia.com/gpu"] == "1"


def test_spot_group_is_the_gpu_group_on_other_nodes() -> None:
    found = groups("spot")
    assert set(found) == {"gpu", "gpu-spot"}
    regular, spot = found["gpu"], found["gpu-spot"]
    assert spot["priority"] > regular.get("priority", 0)  # the cheaper one is asked first
    assert spot["template"]["spec"]["containers"] == regular["template"]["spec"]["containers"]
    tolerated = {one["key"] for one in spot["template"]["spec"]["tolerations"]}
    assert tolerated == {"nvidia.com/gpu", *spot["template"]["spec"]["nodeSelector"]}
    assert "nodeSelector" not in regular["template"]["spec"]
    assert spot["template"]["spec"]["terminationGracePeriodSeconds"] <= 25  # the shortest notice is 30 seconds


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_versions_are_the_projects(overlay: str) -> None:
    pins = (PROJECT / "constraints.txt").read_text().splitlines()
    cluster = named(rendered(overlay), "RayCluster", "bansweep")
    assert f"ray=={cluster['spec']['rayVersion']}" in pins
    image = cluster["spec"]["headGroupSpec"]["template"]["spec"]["containers"][0]["image"]
    assert image.rpartition(":")[2] in {f"{__version__}-cpu", f"{__version__}-cuda"}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_head_workers_and_mlflow_run_one_image(overlay: str) -> None:
    objects = rendered(overlay)
    pods = [group["template"] for group in groups(overlay).values()]
    pods += [named(objects, "RayCluster", "bansweep")["spec"]["headGroupSpec"]["template"]]
    pods += [named(objects, "Deployment", "bansweep-mlflow")["spec"]["template"]]
    assert len({pod["spec"]["containers"][0]["image"] for pod in pods}) == 1


def test_only_the_autoscaler_can_ask_kubernetes_api() -> None:
    spec = named(rendered("gpu"), "RayCluster", "bansweep")["spec"]
    head = spec["headGroupSpec"]["template"]["spec"]
    (token,) = [one["name"] for one in head["volumes"] if "projected" in one]
    assert token in {mount["name"] for mount in spec["autoscalerOptions"]["volumeMounts"]}
    assert token not in {mount["name"] for mount in head["containers"][0]["volumeMounts"]}


@pytest.mark.parametrize("component", ["kueue", "shared-folder"])
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_component_fits_every_overlay(overlay: str, component: str, tmp_path: Path) -> None:
    """As a user would add it to an overlay of theirs."""
    shutil.copytree(DEPLOY, tmp_path / "deploy")
    file = tmp_path / "deploy" / "overlays" / overlay / "kustomization.yaml"
    described = yaml.safe_load(file.read_text())
    file.write_text(yaml.safe_dump({**described, "components": [f"../../components/{component}"]}))
    objects = built(file.parent)
    assert problems(objects + with_sweep(overlay)[-2:]) == []
    cluster = named(objects, "RayCluster", "bansweep")
    if component == "kueue":
        assert cluster["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "bansweep"
        assert cluster["metadata"]["annotations"] == {"kueue.x-k8s.io/elastic-job": "true"}
    else:
        for pod in (cluster["spec"]["headGroupSpec"], *cluster["spec"]["workerGroupSpecs"]):
            container = pod["template"]["spec"]["containers"][0]
            (store,) = [one["value"] for one in container["env"] if one["name"] == "BANSWEEP_STORE"]
            assert store.rpartition("/")[0] in {mount["mountPath"] for mount in container["volumeMounts"]}


def test_secrets_are_made_and_described() -> None:
    told = (PROJECT / "docs" / "kubernetes.md").read_text()
    script = (DEPLOY / "make-secrets.sh").read_text()
    for name, keys in SECRETS.items():
        assert f"`{name}`" in told
        assert name in script
        assert all(f"{key}=%s" in script or f"{key}=bansweep" in script for key in keys)
