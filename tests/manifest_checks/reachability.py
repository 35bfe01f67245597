"""Who may open a connection to whom, as NetworkPolicies have it: each side has to allow it."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Any

from manifest_checks.objects import Manifest, of_kind, selects

Labels = dict[str, str]


def may_connect(manifests: Sequence[Manifest], source: Labels, target: Labels, port: int) -> bool:
    """Between pods of the namespace, over TCP."""
    policies = of_kind(manifests, "NetworkPolicy")
    return _allowed(policies, "Egress", source, target, port) and _allowed(policies, "Ingress", target, source, port)


def may_reach(manifests: Sequence[Manifest], source: Labels, address: str, port: int) -> bool:
    """From a pod to an address outside of the cluster, over TCP."""
    return _allowed(of_kind(manifests, "NetworkPolicy"), "Egress", source, ipaddress.ip_address(address), port)


def may_be_reached(manifests: Sequence[Manifest], target: Labels, port: int) -> bool:
    """From pods of other namespaces, of no name that a policy knows, over TCP."""
    return _allowed(of_kind(manifests, "NetworkPolicy"), "Ingress", target, None, port)


def _allowed(policies: Sequence[Manifest], direction: str, pod: Labels, peer: Any, port: int) -> bool:
    chosen = [
        policy["spec"]
        for policy in policies
        if direction in policy["spec"]["policyTypes"] and selects(policy["spec"]["podSelector"], pod)
    ]
    key, peers = ("egress", "to") if direction == "Egress" else ("ingress", "from")
    rules = [rule for spec in chosen for rule in spec.get(key, [])]
    return not chosen or any(_rule_allows(rule, peers, peer, port) for rule in rules)


def _rule_allows(rule: Manifest, peers: str, peer: Any, port: int) -> bool:
    if "ports" in rule and not any(one["port"] == port and one["protocol"] == "TCP" for one in rule["ports"]):
        return False
    return peers not in rule or any(_is_peer(one, peer) for one in rule[peers])


def _is_peer(described: Manifest, peer: Any) -> bool:
    if "ipBlock" in described:
        if isinstance(peer, dict | None):
            return False  # pods are not to be reached by address ranges that happen to hold them
        block = described["ipBlock"]
        excepted = map(ipaddress.ip_network, block.get("except", []))
        return peer in ipaddress.ip_network(block["cidr"]) and not any(peer in one for one in excepted)
    if not isinstance(peer, dict) or "namespaceSelector" in described:
        return False
    return selects(described["podSelector"], peer)
