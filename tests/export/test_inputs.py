"""What inputs mean is read from the data that the generation was trained on, or refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from demo_sweep import SWEEP
from made_up_generation import made_up_record

from bansweep.config.data import Digits, TextFiles
from bansweep.config.reading import parse_sweep
from bansweep.data.cache import CACHE_VARIABLE, prepared_folder
from bansweep.data.datasets import load_images
from bansweep.data.fingerprint import data_identity
from bansweep.errors import DamagedError, DataError, RequestError
from bansweep.export.inputs import ImageInput, TextInput, input_of
from bansweep.graph.expand import expand
from bansweep.graph.generation import DataIdentity, Generation


def generation_on(data: str) -> Generation:
    sweep = parse_sweep(SWEEP.replace("{kind: digits, limit: 256, test_limit: 100}", data))
    return next(iter(expand(sweep, data_identity(sweep.data)).generations.values()))


@pytest.mark.parametrize(
    "data", ["digits", "{kind: digits, limit: 256}", "{kind: digits, validation: 100}", "{kind: digits, limit: 1100}"]
)
def test_normalisation_is_what_training_used(data: str, digits_folder: Path) -> None:
    generation = generation_on(data)
    spec = parse_sweep(SWEEP.replace("{kind: digits, limit: 256, test_limit: 100}", data)).data
    assert isinstance(spec, Digits)
    trained_on = load_images(spec, digits_folder)
    found = input_of(made_up_record(generation, classes=10))
    assert found == ImageInput((1, 8, 8), tuple("0123456789"), trained_on.mean, trained_on.std)


def test_a_known_set_is_prepared_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "empty"))
    found = input_of(made_up_record(generation_on("digits"), classes=10))
    assert isinstance(found, ImageInput)
    assert (tmp_path / "empty" / "prepared").is_dir()


def test_other_sets_need_the_sweep_file() -> None:
    elsewhere = DataIdentity(kind="folder", fingerprint="f" * 64)
    generation = next(iter(expand(parse_sweep(SWEEP), elsewhere).generations.values()))
    with pytest.raises(RequestError, match="not prepared on this machine") as refused:
        input_of(made_up_record(generation, classes=10))
    assert "ROW/COLUMN" in refused.value.remedy


def test_a_set_of_other_classes_is_not_taken() -> None:
    with pytest.raises(DamagedError, match=r"has 10 classes, the record .* says 2"):
        input_of(made_up_record(generation_on("digits"), classes=2))


def test_a_damaged_set_is_not_taken(digits_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = prepared_folder(tmp_path, digits_folder.name)
    copy.mkdir(parents=True)
    for file in digits_folder.iterdir():
        (copy / file.name).write_bytes(file.read_bytes()[:-1] if file.name == "train_counts.npy" else file.read_bytes())
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    with pytest.raises(DataError, match=r"train_counts\.npy is missing or cut short"):
        input_of(made_up_record(generation_on("digits"), classes=10))


def test_a_texts_words_are_found_by_its_files(tmp_path: Path) -> None:
    for name in ("train", "valid", "test"):
        (tmp_path / name).write_text("b a a c\na\n")
    data = TextFiles(train=tmp_path / "train", validation=tmp_path / "valid", test=tmp_path / "test")
    sweep = parse_sweep(
        f"{{name: t, data: {{kind: text, train: {data.train}, validation: {data.validation}, test: {data.test}}}, "
        "recipe: lstm, networks: [lstm], generations: {teacher: {loss: labels}}}"
    )
    (generation,) = expand(sweep, data_identity(data)).generations.values()
    record = made_up_record(generation, classes=4, input_shape=None)
    with pytest.raises(RequestError, match="not prepared on this machine"):
        input_of(record)
    found = input_of(record, data)
    assert isinstance(found, TextInput)
    assert sorted(found.vocabulary) == ["<eos>", "a", "b", "c"]
    assert found.vocabulary[found.end_of_sentence] == "<eos>"
    assert input_of(record) == found
