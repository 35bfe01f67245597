"""Running `bansweep` from a benchmark, as a user does."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

SWEEPS = Path(__file__).parent.parent / "sweeps"
_SETTINGS = {"cpu": "resources.gpus_per_worker=0", "cuda": "resources.gpus_per_worker=1"}


def add_sweep_device_option(parser: argparse.ArgumentParser) -> None:
    """`--device`, for `sweep_device_settings`."""
    parser.add_argument("--device", choices=_SETTINGS, help="where generations train; else on GPUs if there are some")


def sweep_device_settings(device: str | None) -> list[str]:
    """The `--set` values that make a sweep train on this device."""
    return [] if device is None else [_SETTINGS[device]]


def start(*arguments: object) -> subprocess.Popen[str]:
    """`bansweep ARGUMENTS`, started, with its output to be read."""
    command = [sys.executable, "-m", "bansweep", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str]) -> dict[str, Any]:
    """The JSON document that a `--json` command printed. Ends the benchmark where the command failed."""
    out, err = process.communicate()
    if process.returncode:
        raise SystemExit(f"{' '.join(map(str, process.args))} ended with {process.returncode}\n{err}")
    document: dict[str, Any] = json.loads(out)
    return document
