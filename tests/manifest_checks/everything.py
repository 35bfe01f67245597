"""All checks at once."""

from __future__ import annotations

from collections.abc import Sequence

from manifest_checks.hardening import hardening_problems
from manifest_checks.kuberay_rules import kuberay_problems
from manifest_checks.objects import Manifest
from manifest_checks.pod_security import restricted_problems
from manifest_checks.references import reference_problems
from manifest_checks.schemas import schema_problems


def problems(manifests: Sequence[Manifest]) -> list[str]:
    """Of the schemas first: what breaks them may be too odd for the other checks."""
    found = list(schema_problems(manifests))
    if not found:
        for check in (kuberay_problems, restricted_problems, hardening_problems, reference_problems):
            found += check(manifests)
    return found
