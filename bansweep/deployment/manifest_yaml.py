"""Kubernetes objects as YAML."""

from __future__ import annotations

import json
from collections.abc import Sequence

import yaml

from bansweep.deployment.manifests import Manifest

# `kubectl apply` writes what it was given into annotations of the object, for which there are 256 KiB.
_MOST_TO_APPLY = 256 * 1024 - 4096


class _Dumper(yaml.SafeDumper):
    """A text of several lines stands as it is, in a literal block, where YAML can write it so."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def manifest_yaml(manifests: Sequence[Manifest]) -> str:
    """All of them, as documents of one stream."""
    return yaml.dump_all(
        manifests, Dumper=_Dumper, sort_keys=False, allow_unicode=True, explicit_start=True, width=2**16
    )


def is_too_large_to_apply(manifest: Manifest) -> bool:
    """Whether `kubectl apply` needs its option --server-side for this one."""
    return len(json.dumps(manifest)) > _MOST_TO_APPLY
