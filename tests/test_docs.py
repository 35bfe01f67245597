"""What the documentation promises to be complete is complete."""

from __future__ import annotations

from pathlib import Path

import pytest

from bansweep.spec.budget import Budget
from bansweep.spec.chain import Chain, Stop
from bansweep.spec.data import Digits, ImageFolder, OwnImages, ParquetImages
from bansweep.spec.losses import (
    LOSS_KINDS,
    ActivationsLoss,
    CwtmLoss,
    DkppLoss,
    KdLabelsLoss,
    KdLoss,
    LabelsLoss,
    OwnLoss,
)
from bansweep.spec.model import SpecModel
from bansweep.spec.networks import CnnLstm, DenseNet, Lstm, OwnNetwork, PreResNet, ResidualStudent, WideResNet
from bansweep.spec.reading import parse_sweep, read_sweep
from bansweep.spec.recipes import Augmentation, LanguageRecipe, Recipe
from bansweep.spec.resources import Resources
from bansweep.spec.search import Asha, Median, Search
from bansweep.spec.selection import Select
from bansweep.spec.sweep import Column, SweepSpec
from bansweep.spec.text_data import PennTreebank, TextFiles, WikiText2

ROOT = Path(__file__).parent.parent
NETWORKS = (WideResNet, DenseNet, PreResNet, ResidualStudent, Lstm, CnnLstm, OwnNetwork)
LOSSES = (LabelsLoss, KdLoss, KdLabelsLoss, CwtmLoss, DkppLoss, ActivationsLoss, OwnLoss)
DATA = (Digits, ParquetImages, ImageFolder, OwnImages, PennTreebank, WikiText2, TextFiles)
SEARCH = (Search, Asha, Median, Chain, Stop, Select, Budget)
MODELS = (SweepSpec, Column, Recipe, LanguageRecipe, Augmentation, Resources, *SEARCH, *NETWORKS, *LOSSES, *DATA)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_key_is_documented(model: type[SpecModel]) -> None:
    text = (ROOT / "docs" / "sweep-file.md").read_text(encoding="utf-8")
    missing = [name for name in model.model_fields if f"`{name}" not in text and f"{name}:" not in text]
    assert not missing


def test_every_loss_is_documented() -> None:
    text = (ROOT / "docs" / "sweep-file.md").read_text(encoding="utf-8")
    assert all(f"`{kind}`" in text for kind in LOSS_KINDS)


def test_the_readmes_sweep_is_the_quickstarts_in_substance() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    sweep = parse_sweep(readme.split("```yaml\n")[1].split("```")[0], file="README.md")
    quickstart = read_sweep(ROOT / "sweeps" / "quickstart.yaml")
    assert sweep.name != quickstart.name
    assert (sweep.data, sweep.recipe, sweep.networks) == (quickstart.data, quickstart.recipe, quickstart.networks)
    assert sweep.generations.items() <= quickstart.generations.items()
    assert sweep.ensembles == quickstart.ensembles


def test_ci_runs_the_readmes_test_command() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    command = readme.split("<!-- test command -->")[1].split("```sh\n")[1].split("```")[0]
    assert "pytest" in command
    assert "README.md" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
