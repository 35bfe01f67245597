"""How long steps take on a GPU, and what bounds them: the sections of `gpu.py` that measure durations."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from devices import wait_for, wall_seconds
from gpu_evidence import ALL_VIEWS, CLASSES, ENDLESS, Bench, Row
from random_images import AskedInTheStep, StepsOnly, image_network, untrained
from random_text import random_text
from torch.profiler import ProfilerActivity, profile

from bansweep.config.networks import CnnLstm, LanguageNetworkSpec, Lstm
from bansweep.config.recipes import RECIPES
from bansweep.networks.build import build_language_model, build_network
from bansweep.networks.counting import count_operations
from bansweep.training.generation_run import GenerationRun
from bansweep.training.language_run import LanguageRun
from bansweep.training.precision import use_exact_arithmetic
from bansweep.training.teacher import LanguageTeacher

NETWORKS = ("wrn-28-1", "densenet-40-12", "wrn-28-10", "densenet-90-60", "densenet-112-33")
SMALL_NETWORKS = ("wrn-10-1",)
FLOPS_OF_A_MULTIPLY_ADD = 2
PASSES_OF_A_STEP = 3  # forward, and backward to weights and to inputs
DEVICE_BOUND = 0.9  # of a step's duration the GPU computes
LONGEST_COMPILE_S = 120  # expected of the deepest network here


def matrix_rate(bench: Bench) -> None:
    """The rate of large matrix products, by which a step's use of the GPU is judged."""
    use_exact_arithmetic()
    for precision, rate in _matrix_rates(bench).items():
        bench.say("matrix_rate", precision=precision, tflops=round(rate / 1e12, 3))


def step_times(bench: Bench) -> None:
    """Steps of each network from labels: all of them eager, then compiled; kernels and the use of the GPU."""
    rates = _matrix_rates(bench)
    for compiled in (False, True):
        for name in SMALL_NETWORKS if bench.small else NETWORKS:
            case = {"network": name, "compiled": compiled}
            if bench.seconds_left < (LONGEST_COMPILE_S if compiled else 0):
                bench.say("step_times", **case, skipped="no time is left")
                continue
            try:
                bench.say("step_times", **case, **_step_figures(bench, name, rates["bf16"], compiled=compiled))
            except RuntimeError as error:  # of one network, such as out of memory
                bench.say("step_times", **case, failed=str(error)[:200])
            _free(bench)


def _step_figures(bench: Bench, name: str, rate: float, *, compiled: bool) -> Row:
    run = bench.image_run(name, compiled=compiled)
    times = bench.step_times(run)
    mfu = _flops_of_a_step(name, bench) / (times["step_ms"] / 1e3) / rate
    return {**times, **_kernels(run, bench, times["step_ms"]), "mfu": round(mfu, 4)}


def precisions(bench: Bench) -> None:
    """What exact fp32 costs against bf16."""
    for name in SMALL_NETWORKS if bench.small else ("wrn-28-1", "wrn-28-10"):
        times = {one: bench.step_times(bench.image_run(name, precision=one))["step_ms"] for one in ("bf16", "fp32")}
        bench.say("precisions", network=name, **times, ratio=round(times["fp32"] / times["bf16"], 2))
        _free(bench)


def distillation(bench: Bench) -> None:
    """Steps with a teacher against steps from labels: logits cached by view, recomputed, or computed in the step."""
    for name in SMALL_NETWORKS if bench.small else ("wrn-28-1", "densenet-90-60"):
        labels = bench.step_times(bench.image_run(name))["step_ms"]
        cases: dict[str, dict[str, Any]] = {
            "kd, table filled as it trains": {"loss": "kd", "room": ALL_VIEWS},
            "kd, nothing kept": {"loss": "kd", "room": 0},
            "kd, teacher in the step": {"loss": "kd", "kind": AskedInTheStep},
            "dkpp, table filled as it trains": {"loss": "dkpp", "room": ALL_VIEWS},
            "kd+activations": {"loss": "kd+activations"},
        }
        for what, case in cases.items():
            times = bench.step_times(bench.image_run(name, **case))
            bench.say("distillation", network=name, what=what, **times, of_labels=round(times["step_ms"] / labels, 3))
            _free(bench)


def language(bench: Bench) -> None:
    """Steps of the language models of table 6 on random tokens."""
    words, steps = (50, 4) if bench.small else (10_000, 30)
    cases: list[tuple[LanguageNetworkSpec, str]] = [(Lstm(), "lstm"), (CnnLstm(), "cnn-lstm")]
    if bench.small:
        cases = [(Lstm(units=8), "lstm"), (CnnLstm(units=8), "cnn-lstm")]
    for network, recipe_name in cases:
        recipe = {**RECIPES[recipe_name], "epochs": ENDLESS}
        text = random_text(recipe["batch_size"] * recipe["window"] * steps, words)
        for loss, memory, disk in (("labels", 0.0, 0.0), ("kd", 1e12, 0.0), ("kd", 0.0, 1e12), ("dkpp", 1e12, 0.0)):
            generation = untrained(network, loss, recipe, data="text", precision="bf16")
            teacher = None
            if loss != "labels":
                model = build_language_model(network, vocabulary=text.vocabulary).eval().to(bench.device)
                model.requires_grad_(requires_grad=False)
                teacher = LanguageTeacher(model, memory_bytes=memory, disk_bytes=disk)
                del model
            run = LanguageRun(generation, text, teacher=teacher, device=bench.device)
            times = bench.step_times(run, epochs=2)
            kept = "" if teacher is None or teacher.outputs is None else teacher.outputs.kept
            bench.say("language", network=network.kind, loss=loss, kept=kept, **times)
            del run, teacher
            _free(bench)


def settings(bench: Bench) -> None:
    """What other settings of cuDNN and of torch.compile would give: evidence for later decisions."""
    for name in SMALL_NETWORKS if bench.small else ("wrn-28-10", "wrn-28-1"):
        for what, deterministic, benchmark in (
            ("as shipped", True, False),
            ("cudnn.benchmark", True, True),
            ("cudnn.benchmark, not deterministic", False, True),
        ):
            run = bench.image_run(name)  # which sets what is shipped
            with _cudnn(deterministic=deterministic, benchmark=benchmark):
                bench.say("settings", network=name, what=what, **bench.step_times(run))
            _free(bench)
        if bench.on_gpu:
            bench.say("settings", network=name, what="a CUDA graph of the whole step", step_ms=_graphed(bench, name))
            _free(bench)


def _matrix_rates(bench: Bench) -> dict[str, float]:
    """Operations a second by precision, each the best of a few products."""
    rates = {}
    for precision, dtype, size in (("bf16", torch.bfloat16, 8192), ("fp32", torch.float32, 4096)):
        rows = 256 if bench.small else size
        a, b = (torch.randn(rows, rows, device=bench.device).to(dtype) for _ in range(2))
        seconds = [_duration(bench, lambda a=a, b=b: a @ b) for _ in range(6)]
        rates[precision] = FLOPS_OF_A_MULTIPLY_ADD * rows**3 / min(seconds)
    return rates


def _duration(bench: Bench, do: Callable[[], object]) -> float:
    started = wall_seconds(bench.device)
    do()
    return wall_seconds(bench.device) - started


def _flops_of_a_step(name: str, bench: Bench) -> float:
    shape = (3, bench.size, bench.size)
    with torch.device("meta"):
        network = build_network(image_network(name), input_shape=shape, classes=CLASSES)
    return PASSES_OF_A_STEP * FLOPS_OF_A_MULTIPLY_ADD * bench.batch * count_operations(network, input_shape=shape)


def _kernels(run: GenerationRun, bench: Bench, step_ms: float) -> Row:
    """Kernels of a step and how long the GPU computes: against the step's duration, what bounds it."""
    if not bench.on_gpu:
        return {}
    reports = run.epochs()
    with profile(activities=[ProfilerActivity.CUDA]) as profiled:
        next(reports)
        wait_for(bench.device)
    events = [event for event in profiled.events() if str(event.device_type).endswith("CUDA")]
    device_ms = sum(event.device_time for event in events) / 1e3 / run._steps
    return {
        "kernels": round(len(events) / run._steps),
        "device_ms": round(device_ms, 3),
        "bound by": "the GPU" if device_ms > DEVICE_BOUND * step_ms else "launches",
    }


def _graphed(bench: Bench, name: str) -> float:
    """Milliseconds of a step of which one CUDA graph holds forward, loss, backward and update."""
    run = bench.image_run(name, kind=StepsOnly)
    next(run.epochs())
    run.network.train()
    pixels_BKHW, labels_B = run._train_images.batch(torch.arange(bench.batch, device=bench.device), None)
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            run._step(pixels_BKHW, labels_B, keys_BC=None, progress=0.5)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        run._step(pixels_BKHW, labels_B, keys_BC=None, progress=0.5)
    replays = 50
    return round(_duration(bench, lambda: [graph.replay() for _ in range(replays)]) / replays * 1e3, 3)


@contextmanager
def _cudnn(*, deterministic: bool, benchmark: bool) -> Iterator[None]:
    backend = torch.backends.cudnn
    before = backend.deterministic, backend.benchmark
    backend.deterministic, backend.benchmark = deterministic, benchmark
    try:
        yield
    finally:
        backend.deterministic, backend.benchmark = before


def _free(bench: Bench) -> None:
    if bench.on_gpu:
        torch.cuda.empty_cache()
