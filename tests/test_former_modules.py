"""Stored user code imports modules of bansweep under the names of earlier versions."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

import pytest

from bansweep.former_modules import FORMER_MODULES

AS_USER_CODE = """
from bansweep.config.user_code import UserCode, UserObject
from bansweep.user_code import user_function
import sys
code = UserCode(file="mine.py", name="same", text=sys.argv[1])
assert user_function(UserObject(code=code))()
"""


@pytest.mark.parametrize(
    "statements",
    [
        "from bansweep.spec.data import Cifar as a; from bansweep.config.data import Cifar as b",
        "from bansweep.data.images import load_images as a; from bansweep.data.datasets import load_images as b",
        "from bansweep.losses import cross_entropy; from bansweep.losses.building_blocks import cross_entropies as b; "
        "a = cross_entropy.cross_entropies",
        "import bansweep.networks.staged as s; from bansweep.networks.image_network import StagedNetwork as b; "
        "a = s.StagedNetwork",
        "import bansweep.spec.losses; import bansweep.config.losses; "
        "a, b = bansweep.spec.losses.KdLoss, bansweep.config.losses.KdLoss",
        "from bansweep.spec import losses; from bansweep.config.losses import KdLoss as b; a = losses.KdLoss",
        "from bansweep.losses.answer import Answer as a; "
        "from bansweep.losses.building_blocks import NetworkOutput as b",
        "from bansweep.spec.own_network import OwnNetwork as a; from bansweep.config.networks import UserNetwork as b",
        "from bansweep.plan.seeds import derived_seed as a; from bansweep.graph.generation import derived_seed as b",
    ],
)
def test_a_former_name_gives_the_same_object(statements: str) -> None:
    code = f"{statements}\ndef same():\n    return a is b\n"
    subprocess.run([sys.executable, "-c", AS_USER_CODE, code], check=True)


def test_what_was_in_no_version_is_not_there() -> None:
    code = "from bansweep.spec import nothing\ndef same():\n    return True\n"
    ended = subprocess.run([sys.executable, "-c", AS_USER_CODE, code], capture_output=True, text=True, check=False)
    assert "mine.py, line 1" in ended.stderr


@pytest.mark.parametrize(("former", "module"), sorted(FORMER_MODULES.items()))
def test_a_former_name_is_free_and_stands_for_a_module(former: str, module: str) -> None:
    assert find_spec(module) is not None
    package = former.rpartition(".")[0]
    assert package in ("bansweep.spec", "bansweep.plan") or find_spec(former) is None
