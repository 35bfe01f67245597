"""Who can talk to whom under the NetworkPolicies; and that each policy is needed for something that must work."""

from __future__ import annotations

import pytest
from manifest_checks.objects import Manifest, of_kind, pod_templates
from manifest_checks.reachability import may_be_reached, may_connect, may_reach
from manifest_checks.rendering import OVERLAYS, rendered

SUBMITTER = {"app.kubernetes.io/name": "bansweep", "app.kubernetes.io/component": "submitter"}
STRANGER = {"app.kubernetes.io/name": "another"}

NEEDED = [
    ("ray-worker", "ray-head", 6379),
    ("ray-head", "ray-worker", 40000),
    ("ray-worker", "ray-worker", 40000),
    ("submitter", "ray-head", 8265),
    ("ray-head", "mlflow", 5000),
    ("ray-worker", "mlflow", 5000),
    ("mlflow", "postgres", 5432),
]
STORE = [("ray-head", "object-store", 7070), ("ray-worker", "object-store", 7070), ("mlflow", "object-store", 7070)]
REFUSED = [
    ("submitter", "ray-head", 6379),
    ("submitter", "ray-head", 10001),
    ("submitter", "ray-worker", 40000),
    ("submitter", "mlflow", 5000),
    ("submitter", "postgres", 5432),
    ("ray-head", "postgres", 5432),
    ("ray-worker", "postgres", 5432),
    ("mlflow", "ray-head", 8265),
    ("mlflow", "ray-worker", 40000),
    ("postgres", "mlflow", 5000),
    ("postgres", "ray-head", 6379),
    ("stranger", "ray-head", 8265),
    ("stranger", "ray-head", 6379),
    ("stranger", "mlflow", 5000),
    ("stranger", "postgres", 5432),
    ("ray-worker", "stranger", 443),
]


def pods(objects: list[Manifest]) -> dict[str, dict[str, str]]:
    found = {one.labels["app.kubernetes.io/component"]: one.labels for one in pod_templates(objects)}
    return {**found, "submitter": SUBMITTER, "stranger": STRANGER}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_what_has_to_talk_can(overlay: str) -> None:
    objects = rendered(overlay)
    labels = pods(objects)
    for source, target, port in NEEDED + STORE * (overlay == "local-cpu"):
        assert may_connect(objects, labels[source], labels[target], port), (source, target, port)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_nothing_else_can(overlay: str) -> None:
    objects = rendered(overlay)
    labels = pods(objects)
    for source, target, port in REFUSED:
        assert not may_connect(objects, labels[source], labels[target], port), (source, target, port)


def test_what_is_outside() -> None:
    objects = rendered("gpu")
    labels = pods(objects)
    for pod in ("ray-head", "ray-worker", "mlflow"):
        assert may_reach(objects, labels[pod], "52.95.110.1", 443), pod
        assert not may_reach(objects, labels[pod], "169.254.169.254", 80), pod
        assert not may_reach(objects, labels[pod], "52.95.110.1", 80), pod
    assert not may_reach(objects, labels["ray-worker"], "169.254.169.254", 443)
    assert may_reach(objects, labels["ray-head"], "10.0.0.1", 6443)
    for pod in ("ray-worker", "mlflow", "postgres", "submitter"):
        assert not may_reach(objects, labels[pod], "10.0.0.1", 6443), pod
    for pod in ("postgres", "submitter"):
        assert not may_reach(objects, labels[pod], "52.95.110.1", 443), pod
    assert all(may_reach(objects, one, "10.0.0.10", 53) for one in labels.values())


def test_each_policy_is_needed() -> None:
    """Without it, something that has to talk cannot; without the denial, something can that must not."""

    def works(objects: list[Manifest]) -> bool:
        labels = pods(rendered("local-cpu"))
        connections = all(may_connect(objects, labels[a], labels[b], port) for a, b, port in NEEDED + STORE)
        refusals = not any(may_connect(objects, labels[a], labels[b], port) for a, b, port in REFUSED)
        api = may_reach(objects, labels["ray-head"], "10.0.0.1", 6443)
        data = may_reach(objects, labels["ray-worker"], "52.95.110.1", 443)
        names = may_reach(objects, labels["postgres"], "10.0.0.10", 53)
        strangers = any(may_be_reached(objects, one, 8265) for one in labels.values())
        return connections and refusals and api and data and names and not strangers

    objects = rendered("local-cpu")
    assert works(objects)
    policies = of_kind(objects, "NetworkPolicy")
    for policy in policies:
        assert not works([one for one in objects if one is not policy]), policy["metadata"]["name"]
