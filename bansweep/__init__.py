"""bansweep: born-again network sweeps on Ray, where one network teaches the next.

In scripts and notebooks::

    import bansweep

    sweep = bansweep.load_sweep("sweeps/quickstart.yaml", {"recipe.epochs": 1})
    plan = sweep.plan()  # what there is to train
    result = bansweep.run(sweep, store="my-store")
    result.table()  # a pandas DataFrame; so are cells(), generations() and histories()
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bansweep.errors import BansweepError
    from bansweep.service.api import Sweep, SweepResult, load_sweep, run

__version__ = "0.1.0"

__all__ = ["BansweepError", "Sweep", "SweepResult", "__version__", "load_sweep", "run"]

if not TYPE_CHECKING:  # or every misspelt name would have a type

    def __getattr__(name: str) -> object:
        """Imports each name on first use: every command begins with `import bansweep`."""
        match name:
            case "BansweepError":
                from bansweep.errors import BansweepError

                return BansweepError
            case "Sweep":
                from bansweep.service.api import Sweep

                return Sweep
            case "SweepResult":
                from bansweep.service.api import SweepResult

                return SweepResult
            case "load_sweep":
                from bansweep.service.api import load_sweep

                return load_sweep
            case "run":
                from bansweep.service.api import run

                return run
            case _:
                raise AttributeError(f"module 'bansweep' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
