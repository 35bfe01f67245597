"""By what one network is preferred to another: a search's candidates, a training's epochs, a chain's generations."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from bansweep.spec.model import SpecModel

SelectionMetric = Literal["validation_error", "validation_perplexity", "validation_loss"]


def _not_on_test_data(value: Any) -> Any:
    if isinstance(value, str) and value.startswith("test"):
        raise ValueError(
            f"{value!r} is measured on test data: what is chosen by it has seen the test, and its figure there says "
            "nothing any more; choose by a validation metric"
        )
    return value


class Select(SpecModel):
    """`metric`: lower is better; None is the error of images and the perplexity of texts, on the validation split.

    `epoch`: which epoch's weights a generation is, the `last` one's or the `best` one's by the metric.
    """

    metric: Annotated[SelectionMetric | None, BeforeValidator(_not_on_test_data)] = Field(
        default=None,
        description="on validation data, lower is better; else the error of images, the perplexity of texts",
    )
    epoch: Literal["last", "best"] = Field(
        default="last", description="whose weights a generation is: the last epoch's, or the best one's by the metric"
    )


def metric_for(select: Select, *, text: bool) -> SelectionMetric:
    """The metric that is meant."""
    return select.metric or ("validation_perplexity" if text else "validation_error")
