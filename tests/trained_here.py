"""Generations that this process trains, undisturbed and without Ray: what other ways of training must give, too."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from demo_sweep import plan_of

from bansweep.cluster.job import GenerationJob
from bansweep.cluster.training_job import train_and_publish
from bansweep.config.reading import read_sweep
from bansweep.store.store import Store
from bansweep.training.workers import ALONE


def trained_here(sweep_file: Path, folder: Path, columns: Sequence[str], *overrides: str) -> Store:
    """A store in `folder` with the generations of these columns, trained in turn as a trial of one CPU trains them."""
    data, plan, store = read_sweep(sweep_file, overrides).data, plan_of(sweep_file, *overrides), Store(folder / "store")
    threads = torch.get_num_threads()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("BANSWEEP_CACHE", str(folder / "cache"))
        torch.set_num_threads(1)
        try:
            for one in dict.fromkeys(cell.generation_id for cell in plan.cells if cell.column in columns):
                job = GenerationJob(generation=plan.generations[one], label=one, data=data, store=store.location)
                assert train_and_publish(job, workers=ALONE, device=torch.device("cpu"), on_epoch=lambda _: None)
        finally:
            torch.set_num_threads(threads)
    return store
