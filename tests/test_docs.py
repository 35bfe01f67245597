"""What the documentation promises to be complete is complete."""

from __future__ import annotations

from pathlib import Path

import pytest

from bansweep.config.base import SpecModel
from bansweep.config.chain import Chain, Stop
from bansweep.config.data import Digits, ImageFolder, ParquetImages, PennTreebank, TextFiles, UserImages, WikiText2
from bansweep.config.losses import LOSSES
from bansweep.config.networks import CnnLstm, DenseNet, Lstm, PreResNet, ResidualStudent, UserNetwork, WideResNet
from bansweep.config.reading import parse_sweep, read_sweep
from bansweep.config.recipes import Augmentation, LanguageRecipe, Recipe
from bansweep.config.resources import Resources
from bansweep.config.search import Asha, Median, Search
from bansweep.config.sweep import Budget, Column, Select, SweepSpec

ROOT = Path(__file__).parent.parent
NETWORKS = (WideResNet, DenseNet, PreResNet, ResidualStudent, Lstm, CnnLstm, UserNetwork)
DATA = (Digits, ParquetImages, ImageFolder, UserImages, PennTreebank, WikiText2, TextFiles)
SEARCH = (Search, Asha, Median, Chain, Stop, Select, Budget)
MODELS = (
    SweepSpec,
    Column,
    Recipe,
    LanguageRecipe,
    Augmentation,
    Resources,
    *SEARCH,
    *NETWORKS,
    *LOSSES.values(),
    *DATA,
)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_key_is_documented(model: type[SpecModel]) -> None:
    text = (ROOT / "docs" / "sweep-file.md").read_text(encoding="utf-8")
    missing = [name for name in model.model_fields if f"`{name}" not in text and f"{name}:" not in text]
    assert not missing


def test_every_loss_is_documented() -> None:
    text = (ROOT / "docs" / "sweep-file.md").read_text(encoding="utf-8")
    assert all(f"`{kind}`" in text for kind in LOSSES)


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
