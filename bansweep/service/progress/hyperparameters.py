"""A candidate's hyperparameters, as people read them."""

from __future__ import annotations

from bansweep.plan.candidates import Setting


def setting_text(setting: Setting) -> str:
    """`learning_rate 0.0312, weight_decay 0`: hyperparameters without the names of the parts that they belong to."""
    return ", ".join(f"{key.partition('.')[2]} {_value_text(value)}" for key, value in setting.items())


def _value_text(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
