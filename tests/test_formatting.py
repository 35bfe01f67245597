"""How values read: every expected text is computed by hand."""

from __future__ import annotations

import pytest

from bansweep.formatting import (
    duration_text,
    figure_difference_text,
    figure_text,
    name_text,
    named_figure_text,
    setting_text,
    settings_text,
    size_text,
)

MINUTE, HOUR = 60.0, 3600.0
DAY = 24 * HOUR


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0 s"),
        (0.0004, "0 s"),
        (0.0042, "0.0042 s"),
        (0.4249, "0.42 s"),
        (0.996, "1 s"),
        (4.39, "4.4 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (45.4, "45 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (61.0, "1 min 01 s"),
        (75.0, "1 min 15 s"),
        (119.6, "2 min"),
        (9 * MINUTE + 59.4, "9 min 59 s"),
        (9 * MINUTE + 59.6, "10 min"),
        (12 * MINUTE + 18, "12 min"),
        (59 * MINUTE + 29, "59 min"),
        (59 * MINUTE + 31, "1 h"),
        (1.5 * HOUR, "1 h 30 min"),
        (2 * HOUR + 5 * MINUTE + 20, "2 h 05 min"),
        (9 * HOUR + 59 * MINUTE + 29, "9 h 59 min"),
        (9 * HOUR + 59 * MINUTE + 31, "10 h"),
        (22.4 * HOUR, "22 h"),
        (DAY - 10 * MINUTE, "24 h"),
        (14 * DAY, "336 h"),
        (999.4 * HOUR, "999 h"),
        (1204 * HOUR, "1,200 h"),
        (54_861 * HOUR, "54,900 h"),
        (float("inf"), "inf s"),
        (float("nan"), "nan s"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (37, "37 B"),
        (999, "999 B"),
        (1000, "1 kB"),
        (1_349_000, "1.3 MB"),
        (9_960_000, "10 MB"),
        (350e6, "350 MB"),
        (999.4e6, "999 MB"),
        (999.6e6, "1 GB"),
        (3e9, "3 GB"),
        (79.6e9, "80 GB"),
        (1204e12, "1,204 TB"),
    ],
)
def test_sizes(size: float, text: str) -> None:
    assert size_text(size) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.1, "0.1"),
        (1e-4, "0.0001"),
        (1e-5, "1e-05"),
        (300.0, "300"),
        (300, "300"),
        (1_234_567, "1234567"),
        (250_000.0, "250000"),
        (0.123456, "0.123456"),
        (0.1234567, "0.1235"),
        (0.1 + 0.2, "0.3"),
        (1 / 3, "0.3333"),
        (-0.25, "-0.25"),
        (float("inf"), "inf"),
        (float("nan"), "nan"),
        (True, "true"),
        (None, "null"),
        ("cosine", "cosine"),
        ("é", "é"),
        ((0.5, 3.0), "[0.5, 3]"),
        (["a", 1 / 3], '["a", 0.3333]'),
        ({"kind": "kd", "temperature": 4.0}, '{"kind": "kd", "temperature": 4}'),
    ],
)
def test_settings(value: object, text: str) -> None:
    assert setting_text(value) == text


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("test_error", 10 / 3, "3.33 %"),
        ("train_agreement", 99.999, "100.00 %"),
        ("validation_perplexity", 71.866, "71.87"),
        ("test_perplexity", float("inf"), "inf"),
        ("train_loss", 0.2158219, "0.215822"),
        ("test_loss", 0.5, "0.5"),
    ],
)
def test_metrics(name: str, value: float, text: str) -> None:
    assert figure_text(name, value) == text


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("test_error", -0.731, "-0.73"),
        ("test_error", -0.001, "+0.00"),
        ("train_agreement", 0.126, "+0.13"),
        ("test_perplexity", float("-inf"), "-inf"),
        ("train_loss", 0.00012345678, "+0.000123457"),
    ],
)
def test_differences_of_metrics(name: str, value: float, text: str) -> None:
    assert figure_difference_text(name, value) == text


def test_names() -> None:
    assert name_text("test_error") == "test error"
    assert named_figure_text("validation_error", 4.716) == "validation error 4.72 %"


def test_hyperparameters_lose_the_names_of_their_parts() -> None:
    setting = {"recipe.learning_rate": 0.031234567, "recipe.weight_decay": 0.0, "loss.temperature": 4}
    assert settings_text(setting) == "learning_rate 0.03123, weight_decay 0, temperature 4"
