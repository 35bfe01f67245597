"""What a language model's teacher costs a step: computed anew, kept as hidden states, kept as logits.

    python benchmarks/teacher_cache.py [--units 200] [--words 10000] [--rounds 9] [--threads 1]
        [--device cpu|cuda] [--json]

Against labels alone. Steps are those of bansweep's own run (batch 20, windows of 35), on random tokens, whose cost is
that of real ones. The variants take turns, an epoch of a few steps each; figures are medians over the rounds of each
round's ratio. The first epoch, in which what is kept is computed, is left out.

Penn Tree Bank's logits take 18.6 GB: on disk by default, in memory where `resources.teacher_memory_gb` allows as much.
Exits with 1 where logits that are kept cost a step more than the bound.
"""

from __future__ import annotations

import argparse
import json
import statistics

import torch
from devices import add_device_option, wall_seconds
from random_images import untrained
from random_text import random_text

from bansweep.config.networks import Lstm
from bansweep.config.recipes import RECIPES
from bansweep.networks.build import build_language_model
from bansweep.training.language_run import LanguageRun
from bansweep.training.teacher import LanguageTeacher

STREAMS, WINDOW, STEPS = 20, 35, 4
BOUND = 1.1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--units", type=int, default=200)
    parser.add_argument("--words", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=1)
    add_device_option(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    ratios = measured(arguments.units, arguments.words, arguments.rounds, arguments.device)
    medians = {name: statistics.median(values) for name, values in ratios.items()}
    if arguments.json:
        conditions = {"device": str(arguments.device), "units": arguments.units, "words": arguments.words}
        print(json.dumps({**conditions, "ratios": medians}))
    else:
        print(f"a step of LSTM-{arguments.units}, {arguments.words:,} words, {arguments.device}; labels alone = 1")
        for name, values in ratios.items():
            print(f"  {name:<34} {medians[name]:.3f}  ({min(values):.3f} to {max(values):.3f})")
    slow = [f"{name}: {ratio:.3f}" for name, ratio in medians.items() if "logits" in name and ratio > BOUND]
    if slow:
        raise SystemExit(f"more than {BOUND} of a step that learns from labels: {'; '.join(slow)}")


def measured(units: int, words: int, rounds: int, device: torch.device) -> dict[str, list[float]]:
    """Variant -> its time over that of labels alone, in each round."""
    tokens = STREAMS * WINDOW * STEPS
    text = random_text(tokens, words)
    network = Lstm(units=units, layers=2, dropout=0.2, initial_range=0.1)
    model = build_language_model(network, vocabulary=text.vocabulary).eval().requires_grad_(requires_grad=False)
    model.to(device)
    recipe = {**RECIPES["lstm"], "batch_size": STREAMS, "window": WINDOW, "epochs": rounds + 1}

    def run(loss: str, memory_bytes: float, disk_bytes: float = 0) -> LanguageRun:
        generation = untrained(network, loss, recipe, data="text", precision="fp32")
        teacher = LanguageTeacher(model, memory_bytes=memory_bytes, disk_bytes=disk_bytes)
        return LanguageRun(generation, text, teacher=None if loss == "labels" else teacher, device=device)

    logits, hidden_states = tokens * words * 2, tokens * units * 4
    runs = {
        "labels": run("labels", 0),
        "kd, teacher in every step": run("kd", 0),
        "kd+labels, hidden states kept": run("kd+labels", min(hidden_states, logits - 1)),
        "kd, logits on disk": run("kd", 0, logits),
        "kd+labels, logits on disk": run("kd+labels", 0, logits),
        "cwtm, logits on disk": run("cwtm", 0, logits),
        "kd, logits in memory": run("kd", logits),
        "kd+labels, logits in memory": run("kd+labels", logits),
    }
    epochs = {name: one.epochs() for name, one in runs.items()}
    for one in epochs.values():
        next(one)
    ratios: dict[str, list[float]] = {name: [] for name in runs if name != "labels"}
    for _ in range(rounds):
        seconds = {}
        for name, one in epochs.items():
            started = wall_seconds(device)
            next(one)
            seconds[name] = wall_seconds(device) - started
        for name, values in ratios.items():
            values.append(seconds[name] / seconds["labels"])
    return ratios


if __name__ == "__main__":
    main()
