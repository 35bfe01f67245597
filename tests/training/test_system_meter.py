"""What epochs take of the machine, measured on this process."""

from __future__ import annotations

import mmap
import sys
import time

import pytest
import torch

from bansweep.training.memory import SystemMeter


def test_a_busy_process_and_an_idle_one() -> None:
    meter = SystemMeter(torch.device("cpu"))
    end = time.process_time() + 0.2
    while time.process_time() < end:
        pass
    busy = meter.reading()["process_cpu_percentage"]
    time.sleep(0.3)
    idle = meter.reading()["process_cpu_percentage"]
    assert idle < busy
    assert idle < 50


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says how much is resident")
def test_memory_that_is_used_is_counted() -> None:
    meter = SystemMeter(torch.device("cpu"))
    before = meter.reading()["process_memory_megabytes"]
    # Pages of its own: what other tests have freed may have stayed with the process.
    with mmap.mmap(-1, 200_000_000) as held:
        held.write(bytes(len(held)))
        after = meter.reading()["process_memory_megabytes"]
    assert 150 < after - before < 500


def test_without_a_gpu_nothing_is_said_of_one() -> None:
    assert "gpu_peak_memory_megabytes" not in SystemMeter(torch.device("cpu")).reading()
