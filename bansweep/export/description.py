"""`generation.json` of an exported folder: what the network is, what it takes, how good it is, and who taught it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bansweep import __version__
from bansweep.export.inputs import ImageInput, TextInput
from bansweep.spec.losses import loss_name
from bansweep.store.records import GenerationRecord

VOCABULARY_FILE = "vocabulary.json"


def description(
    record: GenerationRecord, lineage: Sequence[GenerationRecord], inputs: ImageInput | TextInput
) -> dict[str, Any]:
    """Plain data that `json.dumps` takes.

    `trained` is what the network learnt from and how, with nothing left out (of a searched generation the winner);
    `lineage` is from the label-trained ancestor down to the generation, as far as the store has them; `record` is all
    that the store knows, with the SHA-256 of its files.
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
