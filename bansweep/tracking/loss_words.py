"""A loss in a sentence, with its equation in the paper (Furlanello et al., 2018). Pure."""

from __future__ import annotations

from typing import assert_never

from bansweep.spec.losses import (
    ActivationsLoss,
    CwtmLoss,
    DkppLoss,
    KdLabelsLoss,
    KdLoss,
    LabelsLoss,
    LossSpec,
    OwnLoss,
)


def loss_in_words(loss: LossSpec) -> str:
    """What the loss compares, without a full stop at the end."""
    match loss:
        case LabelsLoss():
            smoothing = f", smoothed by {loss.smoothing:g}" if loss.smoothing else ""
            return f"cross-entropy with the labels (Eq. 1){smoothing}"
        case KdLoss():
            return f"cross-entropy with the teacher's probabilities (Eqs. 2 and 3){_temperature(loss.temperature)}"
        case KdLabelsLoss():
            weights = "the sum of" if loss.mixing is None else f"{loss.mixing:g} : {1 - loss.mixing:g} of"
            return (
                f"{weights} cross-entropy with the teacher's probabilities (Eqs. 2 and 3)"
                f"{_temperature(loss.temperature)} and with the labels (Eq. 1)"
            )
        case CwtmLoss(confidence="max"):
            return "cross-entropy with the labels, each sample weighted by the teacher's largest probability (Eq. 10)"
        case CwtmLoss():
            return (
                "cross-entropy with the labels, each sample weighted by the teacher's probability of its label (Eq. 9)"
            )
        case DkppLoss():
            drawn = "drawn anew in every step" if loss.permutation == "fresh" else "drawn once for each sample"
            return (
                "cross-entropy with the teacher's probabilities, those of all but its likeliest class permuted "
                f"(Eq. 11; {drawn})"
            )
        case ActivationsLoss():
            ramp = "" if loss.ramp == "constant" else ", growing from 0 over the epochs"
            return (
                "cross-entropy with the teacher's probabilities (Eqs. 2 and 3) and the mean squared difference of the "
                f"stages' outputs (section 4.1), weighted by {loss.weight:g}{ramp}"
            )
        case OwnLoss():
            return f"the function `{loss.code.name}` of your own"
        case _:
            assert_never(loss)


def _temperature(temperature: float) -> str:
    return "" if temperature == 1 else f" at temperature {temperature:g}"
