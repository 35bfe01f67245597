"""Writes an exported generation atomically: weights, description and loader, usable without the store."""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from bansweep import __version__
from bansweep.config.losses import loss_name
from bansweep.config.networks import is_language_model
from bansweep.errors import RequestError
from bansweep.export.inputs import ImageInput, TextInput
from bansweep.export.onnx_file import ONNX_FILE, write_onnx
from bansweep.networks.build import build_language_model, build_network
from bansweep.store.records import GenerationRecord
from bansweep.training.snapshot import load_weights

ExportForm = Literal["torch", "onnx"]

DESCRIPTION_FILE = "generation.json"
SAFETENSORS_FILE = "weights.safetensors"
STATE_DICT_FILE = "weights.pt"
VOCABULARY_FILE = "vocabulary.json"
LOADER_FILE = "load.py"
ONNX_LOADER_FILE = "load_onnx.py"


@dataclass(frozen=True)
class Export:
    """What is exported: a record, its ancestors down to itself, its weights (safetensors), and its inputs' meaning."""

    record: GenerationRecord
    lineage: Sequence[GenerationRecord]
    weights: bytes
    inputs: ImageInput | TextInput


def check_free(folder: Path) -> None:
    """Raises RequestError where `folder` is a file or holds anything."""
    try:
        taken = folder.exists() and (not folder.is_dir() or any(folder.iterdir()))
    except OSError as error:
        raise _unwritable(folder, error) from None
    if taken:
        raise RequestError(
            f"{folder} is not empty" if folder.is_dir() else f"{folder} is a file",
            remedy="name a folder that is empty or not there with --to; nothing is ever overwritten",
        )


def write_export(folder: Path, export: Export, forms: Collection[ExportForm]) -> tuple[str, ...]:
    """Write the files of these forms into `folder`, atomically, and return their names.

    Raises RequestError where `folder` is not free or cannot be written, and what `write_onnx` raises.
    """
    check_free(folder)
    partial = folder.absolute().with_name(f".{folder.name}-{uuid.uuid4().hex[:8]}")
    try:
        partial.mkdir(parents=True)
        try:
            _write(partial, export, forms)
            names = tuple(sorted(file.name for file in partial.iterdir()))
            partial.replace(folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    except OSError as error:
        raise _unwritable(folder, error) from error
    return names


def description(
    record: GenerationRecord, lineage: Sequence[GenerationRecord], inputs: ImageInput | TextInput
) -> dict[str, Any]:
    """The content of `generation.json`, for `json.dumps`.

    `trained` is the generation's complete configuration (of a searched generation, the winner's). `lineage` lists the
    generations from the label-trained ancestor down to this one, as far as the store has them. `record` is the store's
    record, with the SHA-256 of its files.
    """
    dumped = record.model_dump(mode="json")
    classes = {"classes": list(inputs.classes)} if isinstance(inputs, ImageInput) else {}
    return {
        "bansweep": __version__,
        "id": record.id,
        "label": record.label,
        "input": _input(inputs),
        **classes,
        "metrics": dumped["metrics"],
        "trained": record.trained.model_dump(mode="json"),
        "lineage": [
            {
                "id": one.id,
                "label": one.label,
                "network": one.trained.network.name,
                "loss": loss_name(one.trained.loss),
                "metrics": one.model_dump(mode="json")["metrics"],
            }
            for one in lineage
        ],
        "record": dumped,
    }


def rebuilt_network(record: GenerationRecord, inputs: ImageInput | TextInput, weights: bytes) -> nn.Module:
    """The network of a record with its `weights` (safetensors), on the CPU and in evaluation mode."""
    spec = record.trained.network
    network: nn.Module
    if is_language_model(spec):
        assert isinstance(inputs, TextInput)
        network = build_language_model(spec, vocabulary=inputs.vocabulary)
    else:
        assert isinstance(inputs, ImageInput)
        network = build_network(spec, input_shape=inputs.shape, classes=len(inputs.classes))
    load_weights(network, weights)
    return network.eval().requires_grad_(requires_grad=False)


def _write(folder: Path, export: Export, forms: Collection[ExportForm]) -> None:
    network = rebuilt_network(export.record, export.inputs, export.weights)
    kind = "images" if isinstance(export.inputs, ImageInput) else "text"
    described = description(export.record, export.lineage, export.inputs)
    _write_json(folder / DESCRIPTION_FILE, described)
    if isinstance(export.inputs, TextInput):
        _write_json(folder / VOCABULARY_FILE, export.inputs.vocabulary)
    if "torch" in forms:
        # The store's own file, so that its digest in generation.json holds here, too.
        (folder / SAFETENSORS_FILE).write_bytes(export.weights)
        torch.save(network.state_dict(), folder / STATE_DICT_FILE)
        _copy_loader(f"load_{kind}.py", folder / LOADER_FILE)
    if "onnx" in forms:
        write_onnx(folder / ONNX_FILE, network, export.inputs)
        _copy_loader(f"load_{kind}_onnx.py", folder / ONNX_LOADER_FILE)


def _input(inputs: ImageInput | TextInput) -> dict[str, Any]:
    if isinstance(inputs, ImageInput):
        return {
            "kind": "images",
            "shape": list(inputs.shape),
            "axes": ["channels", "height", "width"],
            "type": "float32",
            "range": [0.0, 1.0],
            "mean": list(inputs.mean),
            "std": list(inputs.std),
            "weights_take": "(pixel - mean) / std, for each channel",
            "onnx_takes": "pixels in [0, 1]: the normalisation is in the file",
        }
    return {
        "kind": "text",
        "axes": ["steps", "streams"],
        "type": "int64",
        "vocabulary": VOCABULARY_FILE,
        "end_of_sentence": inputs.end_of_sentence,
    }


def _write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _copy_loader(name: str, path: Path) -> None:
    path.write_bytes((files("bansweep.export.loaders") / name).read_bytes())


def _unwritable(folder: Path, error: OSError) -> RequestError:
    return RequestError(
        f"{folder} cannot be written: {error.strerror or error}", remedy="name another folder with --to"
    )
