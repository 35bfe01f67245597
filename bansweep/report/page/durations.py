"""Times as people say them."""

from __future__ import annotations


def duration_text(seconds: float) -> str:
    """`42.1 s`, `12.3 min`, `3.21 h`, `1,204 h`: three figures, or all before the point."""
    for unit, size in (("h", 3600.0), ("min", 60.0)):
        if seconds >= size:
            amount = seconds / size
            return f"{amount:,.0f} {unit}" if amount >= 100 else f"{amount:.3g} {unit}"
    return f"{seconds:.3g} s"
