"""Numbers in networks' names, such as `wrn-28-10-dropout0.3`: exact, so that a name identifies the network."""

from __future__ import annotations

# Parts of regular expressions, one group each.
INTEGER = r"([0-9]{1,6})"
NUMBER = r"([0-9]{1,20}(?:\.[0-9]{1,20})?(?:e-[0-9]{1,3})?)"


def number_text(value: float) -> str:
    """The shortest text that reads back as the same number, without a `.0`: `1`, `0.5`, `1e-05`."""
    return repr(value).removesuffix(".0")


def depth_problem(architecture: str, depth: int, step: int, offset: int) -> str:
    """The message for a depth that is not `step` * n + `offset`, with the right ones below and above it."""
    below = depth - (depth - offset) % step
    return f"a {architecture}'s depth is {step}n + {offset}: {depth} is not, {below} and {below + step} are"
