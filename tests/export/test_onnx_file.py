"""ONNX's own runtime answers as PyTorch does, for any number of images, streams and time steps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_networks import IMAGE_NETWORKS, LANGUAGE_MODELS, VOCABULARY, image_network, language_model

from bansweep.errors import RequestError
from bansweep.export import onnx_file
from bansweep.export.inputs import ImageInput, TextInput
from bansweep.export.onnx_file import write_onnx

NEEDS_ONNX = "needs the extra `onnx`: pip install 'bansweep[onnx]'"
INPUT = ImageInput((3, 8, 8), tuple("abcde"), mean=(0.4, 0.5, 0.6), std=(0.2, 0.25, 0.3))


@pytest.fixture
def runtime() -> Any:
    pytest.importorskip("onnx", reason=NEEDS_ONNX)
    pytest.importorskip("onnxscript", reason=NEEDS_ONNX)
    return pytest.importorskip("onnxruntime", reason=NEEDS_ONNX)


@pytest.mark.parametrize("name", IMAGE_NETWORKS)
def test_onnx_classifies_as_pytorch_does(name: str, runtime: Any, tmp_path: Path) -> None:
    network = image_network(name)
    write_onnx(tmp_path / "model.onnx", network, INPUT)
    session = runtime.InferenceSession(tmp_path / "model.onnx")
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (INPUT.mean, INPUT.std))
    for batch in (1, 5):
        pixels_BKHW = torch.rand(batch, 3, 8, 8)
        with torch.inference_mode():
            expected_BC = network((pixels_BKHW - mean) / std)
        (logits_BC,) = session.run(["logits"], {"pixels": pixels_BKHW.numpy()})
        np.testing.assert_allclose(logits_BC, expected_BC.numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", LANGUAGE_MODELS)
def test_onnx_reads_text_as_pytorch_does(name: str, runtime: Any, tmp_path: Path) -> None:
    model = language_model(name)
    write_onnx(tmp_path / "model.onnx", model, TextInput(VOCABULARY, 0))
    session = runtime.InferenceSession(tmp_path / "model.onnx")
    for steps, streams in ((1, 1), (5, 1), (1, 5), (7, 5)):
        tokens_TB = torch.randint(len(VOCABULARY), (steps, streams))
        hidden_LBU, cell_LBU = (torch.randn_like(part) for part in model.initial_state(streams))
        with torch.inference_mode():
            expected_TBV, state = model(tokens_TB, (hidden_LBU, cell_LBU))
        answers = session.run(
            ["logits", "hidden_after", "cell_after"],
            {"tokens": tokens_TB.numpy(), "hidden": hidden_LBU.numpy(), "cell": cell_LBU.numpy()},
        )
        for answer, expected in zip(answers, (expected_TBV, *state), strict=True):
            np.testing.assert_allclose(answer, expected.numpy(), rtol=1e-4, atol=1e-5)


def test_without_its_packages_onnx_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_file, "_PACKAGES", ("no_such_package",))
    with pytest.raises(RequestError, match="needs no_such_package, which is not installed") as refused:
        write_onnx(tmp_path / "model.onnx", image_network("wrn-10-1"), INPUT)
    assert "pip install 'bansweep[onnx]'" in refused.value.remedy
    assert not (tmp_path / "model.onnx").exists()


def test_what_one_file_cannot_hold_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, runtime: Any) -> None:
    del runtime
    monkeypatch.setattr(onnx_file, "_LARGEST_BYTES", 1000)
    with pytest.raises(RequestError, match="one ONNX file holds") as refused:
        write_onnx(tmp_path / "model.onnx", image_network("wrn-10-1"), INPUT)
    assert "--format torch" in refused.value.remedy
