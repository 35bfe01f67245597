"""Names of Kubernetes objects from names of sweeps."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bansweep.errors import RequestError
from bansweep.jobs.kubernetes import check_cluster, check_image, check_namespace, head_service, job_name

SWEEP_NAMES = st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9.+*_-]{0,79}\Z")


@given(SWEEP_NAMES, st.text())
def test_every_sweep_has_a_name_that_kubernetes_takes(sweep: str, text: str) -> None:
    name = job_name(sweep, text)
    assert re.fullmatch(r"[a-z]([a-z0-9-]*[a-z0-9])?", name)
    assert len(name) <= 47
    assert name == job_name(sweep, text)


@given(SWEEP_NAMES, st.text(), st.text())
def test_what_differs_has_another_name(sweep: str, one: str, other: str) -> None:
    assert (job_name(sweep, one) == job_name(sweep, other)) == (one == other)


def test_name_can_be_recognised() -> None:
    assert re.fullmatch(r"bansweep-table-2-cifar-100-[0-9a-f]{8}", job_name("Table.2_(CIFAR*100)", "text"))
    assert re.fullmatch(r"bansweep-a{29}-[0-9a-f]{8}", job_name("a" * 80, "text"))


def test_contents_are_kept_apart() -> None:
    assert job_name("a", "b", ["c"]) != job_name("a", "b", ["c", ""]) != job_name("a", "bc", [])


def test_longest_cluster_keeps_its_service_name() -> None:
    longest = "a" * 41
    check_cluster(longest)
    assert len(head_service(longest)) == 50  # KubeRay cuts what is longer
    with pytest.raises(RequestError):
        check_cluster(longest + "a")


@pytest.mark.parametrize("name", ["", "A", "a_b", "-a", "a-", "1a", "a.b", "a b", "a\n"])
def test_cluster_that_kuberay_would_refuse(name: str) -> None:
    with pytest.raises(RequestError, match="RayCluster"):
        check_cluster(name)


@pytest.mark.parametrize("name", ["", "A", "a_b", "-a", "a-", "a.b", "a" * 64, "a\n"])
def test_namespace_that_kubernetes_would_refuse(name: str) -> None:
    with pytest.raises(RequestError, match="namespace"):
        check_namespace(name)


def test_names_that_are_fine() -> None:
    for namespace in ("a", "1", "team-a", "a" * 63):
        check_namespace(namespace)
    for image in (
        "bansweep:0.1.0-cpu",
        "localhost:5000/bansweep:1",
        "registry.example.com/a/b__c:V1.0_x",
        f"ghcr.io/a/b@sha256:{'0' * 64}",
        "bansweep",
    ):
        check_image(image)


@pytest.mark.parametrize("image", ["", " ", "a b", "-a", "a:b c", "$(IMAGE)", "a@sha256:12", "a:\n"])
def test_image_that_is_no_image(image: str) -> None:
    with pytest.raises(RequestError, match="image"):
        check_image(image)
