"""An exported folder has all that is needed to use a network, or is not there."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import safetensors.torch
import torch
from demo_sweep import SWEEP
from small_networks import VOCABULARY
from untrained_generation import publish_untrained

from bansweep.config.networks import is_language_model
from bansweep.config.reading import parse_sweep
from bansweep.data.fingerprint import data_identity
from bansweep.errors import RequestError
from bansweep.export.exported_folder import Export, write_export
from bansweep.export.inputs import ImageInput, TextInput, input_of
from bansweep.graph.expand import expand
from bansweep.graph.generation import DataIdentity
from bansweep.networks.build import build_network
from bansweep.store.store import Store

TORCH_FILES = ("generation.json", "load.py", "weights.pt", "weights.safetensors")


@pytest.fixture
def export(tmp_path: Path) -> Export:
    sweep = parse_sweep(SWEEP)
    generations = list(expand(sweep, data_identity(sweep.data)).generations.values())
    store = Store(tmp_path / "store")
    lineage = [publish_untrained(store, generations[index], label=f"number {index}") for index in (0, 1)]
    return Export(lineage[1], lineage, store.weights(lineage[1].id), input_of(lineage[1]))


@pytest.fixture
def text_export(tmp_path: Path) -> Export:
    sweep = parse_sweep(
        "{name: t, data: ptb, recipe: lstm, networks: [cnn-lstm-6-2], generations: {teacher: {loss: labels}}}"
    )
    (generation,) = expand(sweep, DataIdentity(kind="ptb", fingerprint="f" * 64)).generations.values()
    store = Store(tmp_path / "store")
    record = publish_untrained(store, generation, vocabulary=VOCABULARY)
    return Export(record, [record], store.weights(record.id), TextInput(VOCABULARY, 0))


def loader_says(script: Path) -> list[str]:
    settings = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    ended = subprocess.run(
        [sys.executable, "-W", "error", script], capture_output=True, text=True, cwd="/", env=settings, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.splitlines()


def test_the_state_dict_is_what_the_store_has(export: Export, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "out"
    assert write_export(folder, export, ["torch"]) == TORCH_FILES
    assert (folder / "weights.safetensors").read_bytes() == export.weights
    stored = safetensors.torch.load(export.weights)
    state = torch.load(folder / "weights.pt", weights_only=True)
    assert state.keys() == stored.keys()
    assert all(torch.equal(state[name], tensor) for name, tensor in stored.items())
    spec = export.record.generation.network
    assert not is_language_model(spec)
    build_network(spec, input_shape=(1, 8, 8), classes=10).load_state_dict(state)


def test_the_description_says_what_is_needed(export: Export, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    write_export(folder, export, ["torch"])
    described = json.loads((folder / "generation.json").read_text())
    assert isinstance(export.inputs, ImageInput)
    assert described["id"] == export.record.id
    assert described["classes"] == list("0123456789")
    assert described["input"]["shape"] == [1, 8, 8]
    assert described["input"]["mean"] == list(export.inputs.mean)
    assert described["metrics"] == {"test_error": 12.5}
    assert described["trained"]["recipe"]["epochs"] == 4
    assert [one["label"] for one in described["lineage"]] == ["number 0", "number 1"]
    digest = hashlib.sha256((folder / "weights.safetensors").read_bytes()).hexdigest()
    assert described["record"]["digests"]["weights.safetensors"] == digest


def test_the_loader_runs_anywhere(export: Export, tmp_path: Path) -> None:
    write_export(tmp_path / "out", export, ["torch"])
    lines = loader_says(tmp_path / "out" / "load.py")
    assert [line.split(":")[0] for line in lines] == ["image 0", "image 1"]


def test_the_loader_of_a_language_model_runs(text_export: Export, tmp_path: Path) -> None:
    assert write_export(tmp_path / "out", text_export, ["torch"]) == (
        *TORCH_FILES[:2],
        "vocabulary.json",
        *TORCH_FILES[2:],
    )
    (line,) = loader_says(tmp_path / "out" / "load.py")
    assert set(line.split()) <= set(VOCABULARY)
    assert len(line.split()) == 10


@pytest.mark.parametrize("kind", ["export", "text_export"])
def test_onnx_comes_with_a_loader_of_its_own(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    for package in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package, reason="needs the extra `onnx`: pip install 'bansweep[onnx]'")
    names = write_export(tmp_path / "out", request.getfixturevalue(kind), ["onnx"])
    assert set(names) - {"vocabulary.json"} == {"generation.json", "load_onnx.py", "model.onnx"}
    assert loader_says(tmp_path / "out" / "load_onnx.py")


def test_nothing_is_overwritten(export: Export, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "mine").write_text("precious")
    with pytest.raises(RequestError, match="out is not empty"):
        write_export(folder, export, ["torch"])
    with pytest.raises(RequestError, match="mine is a file"):
        write_export(folder / "mine", export, ["torch"])
    assert [file.name for file in folder.iterdir()] == ["mine"]
    assert (folder / "mine").read_text() == "precious"


def test_an_empty_folder_is_taken(export: Export, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    write_export(tmp_path / "out", export, ["torch"])
    assert {file.name for file in (tmp_path / "out").iterdir()} == set(TORCH_FILES)


def test_what_fails_leaves_nothing(export: Export, tmp_path: Path) -> None:
    broken = Export(export.record, export.lineage, b"no weights", export.inputs)
    with pytest.raises(Exception, match="header"):
        write_export(tmp_path / "place" / "out", broken, ["torch"])
    assert list((tmp_path / "place").iterdir()) == []


def test_a_place_that_cannot_be_written_is_named(export: Export, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RequestError, match=r"file.out cannot be written"):
        write_export(tmp_path / "file" / "out", export, ["torch"])
