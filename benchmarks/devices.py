"""The device that a benchmark measures, and the clock that fits it."""

from __future__ import annotations

import argparse
import time

import torch

CPU = torch.device("cpu")


def add_device_option(parser: argparse.ArgumentParser) -> None:
    """`--device`, which gives a torch.device. Networks and steps then run there."""
    parser.add_argument("--device", type=available_device, default=CPU, metavar="cpu|cuda", help="what is measured")


def available_device(name: str) -> torch.device:
    """The device of that name: `cpu`, `cuda` (the current GPU) or `cuda:N`."""
    try:
        device = torch.device(name)
    except RuntimeError:
        raise argparse.ArgumentTypeError(f"{name!r} is no device: write cpu, cuda or cuda:N") from None
    if device.type not in ("cpu", "cuda"):
        raise argparse.ArgumentTypeError(f"{name!r}: only cpu and cuda are measured")
    if device.type == "cuda":
        if not torch.cuda.is_available():
            raise argparse.ArgumentTypeError("cuda: PyTorch finds no GPU on this machine")
        device = torch.device("cuda", torch.cuda.current_device() if device.index is None else device.index)
        if device.index >= torch.cuda.device_count():
            raise argparse.ArgumentTypeError(f"{name}: this machine has {torch.cuda.device_count()} GPUs")
    return device


def wait_for(device: torch.device) -> None:
    """Return once the device has finished what it was given. A CPU always has."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def wall_seconds(device: torch.device) -> float:
    """The clock, read once the device has finished."""
    wait_for(device)
    return time.perf_counter()


def busy_seconds(device: torch.device) -> float:
    """The clock that other processes disturb least: a CPU's is the process's CPU time, a GPU's the wall clock."""
    return time.process_time() if device.type == "cpu" else wall_seconds(device)
