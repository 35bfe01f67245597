"""Copies to a pretended GPU are queued, whatever the tensor's memory; on a CPU nothing is copied."""

from __future__ import annotations

import pytest
import torch
from pretended_device import PretendedDevice

from bansweep.data.host_to_device import to_device


def test_on_a_cpu_it_is_the_tensor_itself() -> None:
    values = torch.arange(6)
    assert to_device(values, torch.device("cpu")) is values
    assert to_device(values, "cpu") is values


@pytest.mark.skipif(torch.cuda.is_available(), reason="pretends a device that this machine has")
@pytest.mark.parametrize("kind", ["pageable", "strided", "pinned", "pinned and strided", "already there"])
def test_a_copy_to_a_gpu_does_not_make_the_host_wait(kind: str) -> None:
    values = torch.arange(12.0).view(3, 4)
    with PretendedDevice() as pretended:
        source = {
            "pageable": lambda: values,
            "strided": lambda: values[:, ::2],
            "pinned": lambda: values.pin_memory(),
            "pinned and strided": lambda: values.pin_memory()[:, ::2],
            "already there": lambda: values.to(pretended.device),
        }[kind]()
        pretended.clear()
        copy = to_device(source, pretended.device)
        assert pretended.count == 0
        assert copy.device == pretended.device
        assert (copy is source) == (kind == "already there")
    assert torch.equal(copy, source)
