"""Kubernetes' own schemas, and KubeRay's; a field that these do not know is a problem, as it is for the API server."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from manifest_checks.objects import Manifest, title

# The oldest that is asked of a cluster, and the newest whose schemas there are.
VERSIONS = ("v1.32.0", "v1.37.0")
OPERATOR_KINDS = {"RayCluster": "ray.io_rayclusters.yaml", "RayJob": "ray.io_rayjobs.yaml"}


def schema_problems(manifests: Sequence[Manifest], version: str = VERSIONS[-1]) -> Iterator[str]:
    """What is wrong with each object, and with the pod templates inside of custom ones."""
    for manifest in manifests:
        if manifest["kind"] in OPERATOR_KINDS:
            validator = _operator_validator(manifest["kind"], version)
        else:
            validator = _validator(version, manifest["kind"], manifest["apiVersion"])
        for error in validator.iter_errors(manifest):
            yield f"{title(manifest)}: {error.json_path}: {error.message[:300]}"


@cache
def _definitions(version: str) -> Any:
    package = pytest.importorskip(
        "kubernetes_validate", reason="kubernetes-validate, which has the schemas, is not here"
    )
    folder = resources.files(package).joinpath("kubernetes-json-schema", f"{version}-local-strict")
    return json.loads(folder.joinpath("_definitions.json").read_text())


@cache
def _registry(version: str) -> Registry[Any]:
    return Registry().with_resource("urn:definitions", Resource.from_contents(_definitions(version)))


@cache
def _validator(version: str, kind: str, api_version: str) -> Draft202012Validator:
    group, _, number = api_version.rpartition("/")
    for name, definition in _definitions(version)["$defs"].items():
        for known in definition.get("x-kubernetes-group-version-kind", ()):
            if (known["kind"], known["group"], known["version"]) == (kind, group, number):
                return Draft202012Validator({"$ref": f"urn:definitions#/$defs/{name}"}, registry=_registry(version))
    raise AssertionError(f"Kubernetes {version} knows no {kind} of {api_version}")


@cache
def _operator_validator(kind: str, version: str) -> Draft202012Validator:
    described = yaml.load(operator_file(OPERATOR_KINDS[kind]).read_text(), Loader=yaml.CSafeLoader)
    schema = next(one["schema"]["openAPIV3Schema"] for one in described["spec"]["versions"] if one["name"] == "v1")
    strict = _strict(schema)
    # Of metadata the API server knows more than the CRD says.
    meta = {"$ref": "urn:definitions#/$defs/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"}
    strict["properties"]["metadata"] = meta
    pod = {"$ref": "urn:definitions#/$defs/io.k8s.api.core.v1.PodTemplateSpec"}
    for place in _template_places(strict["properties"]["spec"]):
        place.clear()
        place.update(pod)
    return Draft202012Validator(strict, registry=_registry(version))


def _template_places(schema: Manifest) -> Iterator[Manifest]:
    """Where a schema holds pod templates, which KubeRay copies from Kubernetes with some fields left open."""
    for name, part in schema.get("properties", {}).items():
        if name in ("template", "submitterPodTemplate"):
            yield part
        else:
            yield from _template_places(part)
            yield from _template_places(part.get("items", {}))


def operator_file(name: str) -> Path:
    """A CRD of KubeRay's. Skips where it is not here."""
    shared = Path(os.environ.get("BANSWEEP_SHARED") or Path(__file__).parents[2].parent / "shared")
    file = shared / "kuberay" / name
    if not file.is_file():
        pytest.skip(f"KubeRay's CRDs are not here: {file}")
    return file


def _strict(schema: Any) -> Any:
    """An OpenAPI schema of a CRD as JSON schema: what it does not name is refused, not dropped in silence."""
    if not isinstance(schema, dict):
        return schema
    if schema.get("x-kubernetes-int-or-string"):
        return {"type": ["integer", "string"], **{key: schema[key] for key in ("pattern",) if key in schema}}
    strict = {key: value for key, value in schema.items() if key in _MEANING}
    if "properties" in schema:
        strict["properties"] = {name: _strict(part) for name, part in schema["properties"].items()}
    if "items" in schema:
        strict["items"] = _strict(schema["items"])
    if isinstance(schema.get("additionalProperties"), dict):
        strict["additionalProperties"] = _strict(schema["additionalProperties"])
    elif schema.get("type") == "object" and not schema.get("x-kubernetes-preserve-unknown-fields"):
        strict.setdefault("additionalProperties", False)
    return strict


_MEANING = frozenset(("type", "enum", "required", "minimum", "minLength", "maxLength", "minItems", "pattern", "format"))
