"""What two records say of their figures and trainings."""

from __future__ import annotations

from demo_sweep import SWEEP
from made_up_generation import made_up_record

from bansweep.compare.differences import Difference
from bansweep.compare.generations import MetricPair, compare_metrics, training_differences
from bansweep.config.reading import parse_sweep
from bansweep.data.fingerprint import data_identity
from bansweep.graph.expand import expand

SPEC = parse_sweep(SWEEP)
FIRST, SECOND, *_ = expand(SPEC, data_identity(SPEC.data)).generations.values()


def test_figures_are_side_by_side() -> None:
    left = made_up_record(FIRST, metrics={"test_error": 12.0, "train_loss": 0.5})
    right = made_up_record(SECOND, metrics={"test_error": 10.5})
    assert compare_metrics(left, right) == (
        MetricPair("test_error", 12.0, 10.5),
        MetricPair("train_loss", 0.5, None),
    )
    assert [pair.difference for pair in compare_metrics(left, right)] == [-1.5, None]
    assert compare_metrics(None, right) == (MetricPair("test_error", None, 10.5),)
    assert compare_metrics(None, None) == ()


def test_what_else_may_have_made_the_difference_is_told() -> None:
    left = made_up_record(FIRST, versions={"torch": "2.15.0", "numpy": "2.4.6"})
    right = made_up_record(FIRST, versions={"torch": "2.14.0", "numpy": "2.4.6"}, device="cuda", finished_at=9.0)
    assert set(training_differences(left, right)) == {
        Difference(("versions", "torch"), "2.15.0", "2.14.0"),
        Difference(("device",), "cpu", "cuda"),
    }


def test_compiling_is_a_difference_where_both_records_say_it() -> None:
    compiled, uncompiled, former = (made_up_record(FIRST, compiled_epochs=epochs) for epochs in (4, 0, None))
    assert training_differences(uncompiled, compiled) == (Difference(("compiled_epochs",), 0, 4),)
    assert training_differences(former, compiled) == ()
