"""Language models all the way: text files, Ray, the store, the report."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from demo_sweep import Command, ended

from bansweep.store.parquet_tables import TokenPredictions
from bansweep.store.store import Store

SWEEP = """\
name: words
data: {kind: text, train: FOLDER/train.txt, validation: FOLDER/valid.txt, test: FOLDER/test.txt}
recipe: {base: lstm, epochs: 3, batch_size: 4, window: 10, learning_rate: 0.2}
networks:
  - {name: words, network: lstm-12-2-dropout0.1-range0.3}
  - name: characters
    network: cnn-lstm-12-1-range0.3-maps4
    recipe: {base: cnn-lstm, epochs: 2, batch_size: 4, learning_rate: 0.2}
generations:
  teacher: {loss: labels}
  ban:     {loss: kd+labels, teacher: teacher}
ensembles:
  ens*2: [teacher, ban]
resources: {concurrency: 1}
paper: table6
"""


def write_text(path: Path, sentences: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    words = ["the", "a", "cat", "dog", "sees", "hears", "bird", "<unk>"]
    path.write_text("".join(f" {' '.join(random.choice(words, random.integers(3, 9)))} \n" for _ in range(sentences)))


@pytest.mark.ray
def test_a_sweep_of_language_models(tmp_path: Path, start: Command) -> None:
    for name, sentences in (("train", 120), ("valid", 20), ("test", 20)):
        write_text(tmp_path / f"{name}.txt", sentences, seed=sentences)
    sweep, root = tmp_path / "words.yaml", tmp_path / "store"
    sweep.write_text(SWEEP.replace("FOLDER", str(tmp_path)))

    out, _ = ended(start("run", sweep, "--store", root, "--json"))
    document = json.loads(out)
    assert document["metric"] == "perplexity"
    assert len(document["trained"]) == 4
    figures = {(cell["row"], cell["column"]): cell["mean"] for cell in document["cells"]}
    columns = ["teacher_val", "ban_val", "ens*2_val", "teacher_test", "ban_test", "ens*2_test"]
    assert list(figures) == [(row, column) for row in ("words", "characters") for column in columns]
    # Nine words, in no order: whoever knows how often each comes has a perplexity of about nine.
    assert all(6 < figure < 12 for figure in figures.values()), figures

    plan = json.loads(ended(start("plan", sweep, "--store", root, "--json"))[0])
    ids = {(one["rows"][0], one["columns"][0]): one["id"] for one in plan["generations"]}
    store = Store(root)
    teacher, ban = (store.predictions(ids["words", column]) for column in ("teacher", "ban"))
    assert isinstance(teacher, TokenPredictions)
    assert isinstance(ban, TokenPredictions)
    mean_N = (np.exp(teacher.test_N.astype(float)) + np.exp(ban.test_N.astype(float))) / 2
    assert figures["words", "ens*2_test"] == pytest.approx(math.exp(-np.log(mean_N).mean()), rel=1e-5)
    record = store.record(ids["characters", "ban"])
    assert record is not None
    assert (record.input_shape, record.classes) == (None, 9)

    shown, _ = ended(start("show", ids["words", "ban"], "--store", root))
    assert "test perplexity" in shown
    table, _ = ended(start("report", sweep, "--store", root))
    assert "Perplexity" in table
