"""Whether a GPU learns what a CPU learns, gives the same bits each time, and shares a batch as it should."""

from __future__ import annotations

import os
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing
from devices import CPU
from gpu_evidence import Bench, not_compiled
from random_images import image_network, make_teacher, random_data, student, untrained
from random_text import random_text

from bansweep.config.networks import CnnLstm, LanguageNetworkSpec, Lstm
from bansweep.config.recipes import RECIPES
from bansweep.networks.build import build_language_model
from bansweep.training.generation_run import GenerationRun
from bansweep.training.image_run import ImageRun
from bansweep.training.language_run import LanguageRun
from bansweep.training.teacher import LanguageTeacher
from bansweep.training.workers import ALONE, Workers

NETWORK, IMAGES, SIZE, CLASSES, BATCH = "wrn-10-1", 256, 8, 10, 64
EPOCHS = 2
IMAGE_LOSSES = ("labels", "kd", "kd+labels", "cwtm", "dkpp", "kd+activations")
LANGUAGE_LOSSES = ("labels", "kd", "kd+labels", "cwtm", "dkpp")
TOLERANCE = 2e-3
"""Of a metric, by the CPU's value or 1: fp32 rounds in another order, for 8 steps."""


def agreement(bench: Bench) -> None:
    """Every loss against the CPU, in fp32; and against itself: run again, resumed, with activations recomputed."""
    for loss in IMAGE_LOSSES:
        _compare(bench, "images", loss, lambda device, loss=loss, **how: image_run(loss, device, **how), ["recompute"])
    networks: list[LanguageNetworkSpec] = [
        Lstm(units=8, dropout=0.0),
        CnnLstm(units=8, dropout=0.0),
    ]
    for network in networks:
        for loss in LANGUAGE_LOSSES if isinstance(network, Lstm) else ("labels", "kd"):
            _compare(
                bench,
                network.kind,
                loss,
                lambda device, network=network, loss=loss: language_run(network, loss, device),
                [],
            )


def compiled_agreement(bench: Bench) -> None:
    """A compiled training against the eager one, and against itself run again."""
    for loss in ("labels", "kd") if not bench.small else ("labels",):
        eager, compiled, again = (trained(image_run(loss, bench.device, compiled=one)) for one in (False, True, True))
        apart = _apart(eager, compiled)
        bench.say(
            "compiled_agreement",
            loss=loss,
            from_eager=apart,
            agrees=apart <= TOLERANCE,
            same_bits_again=compiled.result().weights == again.result().weights,
        )


def workers(bench: Bench) -> None:
    """Two processes that share each batch on one device, over gloo, against one that is alone."""
    alone = trained(image_run("kd", bench.device))
    with tempfile.TemporaryDirectory() as folder:
        context = torch.multiprocessing.get_context("spawn")
        results = context.SimpleQueue()
        arguments = (2, f"file://{Path(folder) / 'meet'}", str(bench.device), results)
        torch.multiprocessing.spawn(_worker, arguments, nprocs=2)
        history = results.get()
    apart = _metrics_apart([report.metrics for report in alone.history], history)
    bench.say("workers", loss="kd", processes=2, from_one=apart, agrees=apart <= TOLERANCE)


def image_run(
    loss: str, device: torch.device, *, recompute: bool = False, compiled: bool = False, workers: Workers = ALONE
) -> ImageRun:
    data = random_data(IMAGES, size=SIZE, classes=CLASSES)
    network = image_network(NETWORK)
    return ImageRun(
        student(network, loss, precision="fp32", batch=BATCH, epochs=EPOCHS),
        data,
        teacher=None if loss == "labels" else make_teacher(network, data, device),
        device=device,
        workers=workers,
        compiled=compiled,
        recompute=recompute,
        diagnostics=True,
        on_compile_failure=not_compiled,
    )


def language_run(network: LanguageNetworkSpec, loss: str, device: torch.device) -> LanguageRun:
    recipe = {**RECIPES["lstm"], "batch_size": 4, "window": 5, "epochs": EPOCHS}
    text = random_text(120, 30, held_out=40)
    teacher = None
    if loss != "labels":
        torch.manual_seed(0)
        model = build_language_model(network, vocabulary=text.vocabulary).eval().to(device)
        teacher = LanguageTeacher(model.requires_grad_(requires_grad=False))
    return LanguageRun(
        untrained(network, loss, recipe, data="text", precision="fp32"),
        text,
        teacher=teacher,
        device=device,
        diagnostics=True,
    )


def trained(run: GenerationRun) -> GenerationRun:
    for _ in run.epochs():
        pass
    return run


def _compare(bench: Bench, data: str, loss: str, make: Any, ways: list[str]) -> None:
    reference = trained(make(CPU))
    run = make(bench.device)
    reports = run.epochs()
    next(reports)
    snapshot, history = run.snapshot(), list(run.history)
    with _synchronising_lines(bench) as lines:
        next(reports)
    resumed = make(bench.device)
    resumed.resume(snapshot, history)
    weights = run.result().weights
    same = {
        "same_bits_again": trained(make(bench.device)).result().weights == weights,
        "same_bits_resumed": trained(resumed).result().weights == weights,
    }
    for way in ways:
        same[f"same_bits_{way}"] = trained(make(bench.device, **{way: True})).result().weights == weights
    apart = _apart(reference, run)
    bench.say(
        "agreement",
        data=data,
        loss=loss,
        from_cpu=apart,
        agrees=apart <= TOLERANCE,
        **same,
        syncs_an_epoch=sum(lines.values()) if bench.on_gpu else None,
        steps_an_epoch=run._steps,
        syncs_at=", ".join(f"{line} {count}" for line, count in lines.items()),
    )


def _apart(one: GenerationRun, other: GenerationRun) -> float:
    return _metrics_apart(*([report.metrics for report in run.history] for run in (one, other)))


def _metrics_apart(one: Sequence[Mapping[str, float]], other: Sequence[Mapping[str, float]]) -> float:
    """The largest difference of a metric in any epoch, by the metric's own size where that is above 1.

    Without counts of samples: one of 256 that lies between two classes would be 0.4 %.
    """
    return max(
        abs(mine[name] - theirs[name]) / max(1.0, abs(mine[name]))
        for mine, theirs in zip(one, other, strict=True)
        for name in mine
        if not name.endswith(("_error", "_agreement"))
    )


@contextmanager
def _synchronising_lines(bench: Bench) -> Iterator[Counter[str]]:
    """Counts the lines at which the host waits for the GPU, as PyTorch sees them; none on a CPU."""
    lines: Counter[str] = Counter()
    if not bench.on_gpu:
        yield lines
        return
    torch.cuda.set_sync_debug_mode("warn")
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield lines
    finally:
        torch.cuda.set_sync_debug_mode("default")
    lines.update(f"{Path(one.filename).name}:{one.lineno}" for one in caught)


def _worker(rank: int, size: int, meeting_place: str, device_name: str, results: Any) -> None:
    torch.set_num_threads(1)
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    device = torch.device(device_name)
    dist.init_process_group("gloo", init_method=meeting_place, rank=rank, world_size=size)
    run = trained(image_run("kd", device, workers=Workers.of_process_group()))
    if rank == 0:
        results.put([report.metrics for report in run.history])
    dist.barrier()
    dist.destroy_process_group()
