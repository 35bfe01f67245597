"""What the documentation promises to be complete is complete."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest

from bansweep.config.base import SpecModel
from bansweep.config.losses import LOSSES
from bansweep.config.reading import parse_sweep, read_sweep
from bansweep.config.sweep import SweepSpec

ROOT = Path(__file__).parent.parent
GUIDE = (ROOT / "docs" / "sweep-file.md").read_text(encoding="utf-8")

# Models that a sweep file writes without their fields' names, with how it does.
SHORT_FORMS = {
    "Choice": "`{choice: [",
    "Grid": "`{grid: [",
    "Int": "`{int: [",
    "LogUniform": "`{loguniform: [",
    "Uniform": "`{uniform: [",
    "UserCode": "code: own.py:",
}
# The same of a single field.
SHORT_FIELDS = {("Ensemble", "by_row"): "`{members: [...], ROW: [...]}`"}


def models_in(annotation: Any) -> Iterator[type[SpecModel]]:
    """The models that a value of this type can hold, at any depth; some more than once."""
    if isinstance(annotation, type) and issubclass(annotation, SpecModel):
        yield annotation
        for info in annotation.model_fields.values():
            yield from models_in(info.annotation)
    else:
        for part in get_args(annotation):
            yield from models_in(part)


MODELS = sorted(set(models_in(SweepSpec)), key=lambda model: model.__name__)


def test_models_are_found() -> None:
    names = {model.__name__ for model in MODELS}
    assert names >= {"SweepSpec", "Column", "Cifar", "Row", "Ensemble", "Asha", "KdLoss", "CnnLstm", "LanguageRecipe"}
    assert names >= set(SHORT_FORMS)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_key_is_documented(model: type[SpecModel]) -> None:
    if (short := SHORT_FORMS.get(model.__name__)) is not None:
        assert short in GUIDE
        return
    for name in model.model_fields:
        short = SHORT_FIELDS.get((model.__name__, name))
        written = re.search(rf"`{name}`|\b{name}:", GUIDE) if short is None else short in GUIDE
        assert written, f"docs/sweep-file.md does not explain {model.__name__}.{name}"


def test_every_loss_is_documented() -> None:
    assert [kind for kind in LOSSES if f"`{kind}`" not in GUIDE] == []


def test_the_readmes_sweep_is_the_quickstarts_in_substance() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    sweep = parse_sweep(readme.split("```yaml\n")[1].split("```")[0], file="README.md")
    quickstart = read_sweep(ROOT / "sweeps" / "quickstart.yaml")
    assert sweep.name != quickstart.name
    assert (sweep.data, sweep.recipe, sweep.networks) == (quickstart.data, quickstart.recipe, quickstart.networks)
    assert sweep.generations.items() <= quickstart.generations.items()
    assert sweep.ensembles == quickstart.ensembles
