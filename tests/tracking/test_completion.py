"""What is said of a generation and its candidates in the end, without MLflow."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bansweep.graph.candidates import candidate_of
from bansweep.graph.generation import Generation
from bansweep.tracking import payload
from bansweep.tracking.completion import Completion, completed_candidate, completed_generation

AT = 1_700_000_000


def completed(sweep: Any, item: Any) -> Completion:
    return completed_generation(payload.describe(sweep.plan, item.generation_id), item)


def completed_candidates(sweep: Any) -> list[Completion]:
    item = sweep.finished[1]
    return [
        completed_candidate(payload.describe_candidate(sweep.plan, item.generation_id, one.candidate), item, one)
        for one in item.candidates
    ]


@pytest.mark.parametrize(
    ("metrics", "verdict"),
    [
        ({"test_loss": 0.25, "test_error": 5.3125, "validation_error": 4.0}, "**test error 5.31 %**"),
        ({"validation_loss": 0.5, "validation_error": 4.0}, "**validation error 4.00 %**"),
        (
            {"validation_perplexity": 83.0, "test_loss": 4.4, "test_perplexity": 81.5},
            "**test perplexity 81.50**",
        ),
        ({"train_loss": 9.0, "validation_perplexity": 10012.25}, "**validation perplexity 10012.25**"),
        ({"train_loss": 0.25}, "**train loss 0.25**"),
    ],
)
def test_the_note_begins_with_the_verdict(sweep: Any, metrics: dict[str, float], verdict: str) -> None:
    note = completed(sweep, replace(sweep.finished[1], metrics=metrics)).tags["mlflow.note.content"]

    assert note.splitlines()[0] == verdict
    assert note.split("\n\n")[1] == "**loss**: cross-entropy with the teacher's probabilities (Eqs. 2 and 3)"


def test_a_generation_without_history_has_its_final_figures(sweep: Any) -> None:
    points = completed(sweep, replace(sweep.finished[0], history=(), metrics={"test_error": 6.0})).points

    at = 1_700_000_007_500
    assert set(points) == {
        ("final_test_error", 6.0, at, 0),
        ("parameters", 77000.0, at, 0),
        ("training_seconds", 4.5, at, 0),
    }


def test_a_winner_that_another_search_trained_contradicts_no_parameter(searched_sweep: Any) -> None:
    """MLflow lets no parameter change, and the winner may have the other search's metric."""
    item = searched_sweep.finished[1]
    by_loss = {"metric": "validation_loss", "epoch": "best"}
    other = Generation.model_validate({**item.generation.model_dump(), "select": by_loss})
    chosen = replace(item.chosen, candidate=candidate_of(other, 1, item.chosen.candidate.setting))
    item = replace(item, candidates=(item.candidates[0], chosen, *item.candidates[2:]))
    described = payload.describe(searched_sweep.plan, item.generation_id).params

    params = completed(searched_sweep, item).params

    assert described["select.metric"] == "validation_error"
    assert {key: described.get(key, value) for key, value in params.items()} == params
    assert params["recipe.learning_rate"] == "0.05"


def test_a_searched_generation_has_its_winners_values(searched_sweep: Any) -> None:
    end = completed(searched_sweep, searched_sweep.finished[1])
    winner_id = searched_sweep.finished[1].candidates[1].candidate.id

    assert (end.params["recipe.learning_rate"], end.params["loss.temperature"]) == ("0.05", "2.0")
    assert end.params["recipe.momentum"] == "0.9"
    assert end.tags["bansweep.winning_candidate"] == f"2 ({winner_id})"
    assert ("selected_epoch", 2.0, (AT + 77.5) * 1000, 3) in end.points
    # From the first candidate's first epoch, which took 1.5 s and ended at 52, to the third one's only epoch.
    assert (end.started_at, end.ended_at) == (AT + 50.5, AT + 92)


def test_the_note_has_all_candidates_in_the_order_of_their_values(searched_sweep: Any) -> None:
    note = completed(searched_sweep, searched_sweep.finished[1]).tags["mlflow.note.content"]
    winner_id = searched_sweep.finished[1].candidates[1].candidate.id

    verdict, *described, chosen, table = note.split("\n\n")
    assert described == payload.describe(searched_sweep.plan, searched_sweep.student_id).tags[
        "mlflow.note.content"
    ].split("\n\n")
    assert [verdict, chosen, table] == [
        "**test error 11.00 %**",
        f"candidate 2 ({winner_id}) of 4 was chosen:",
        "| candidate | recipe.learning_rate | loss.temperature | validation error | epoch | epochs | outcome |\n"
        "| --- | --- | --- | --- | --- | --- | --- |\n"
        "| **2** | 0.05 | 2 | 10.00 % | 2 | 3 | **winner** |\n"
        "| 1 | 0.2 | 1 | 20.00 % | 2 | 3 | finished |\n"
        "| 3 | 3 | 1 | 80.00 % | 1 | 1 | pruned |\n"
        "| 4 | 9 | 4 |  |  | 0 | failed |",
    ]


def test_a_table_of_many_candidates_is_cut_between_rows(searched_sweep: Any) -> None:
    item = searched_sweep.finished[1]
    template = item.candidates[0]
    many = tuple(
        replace(template, candidate=replace(template.candidate, number=number), value=float(1000 - number))
        for number in range(500)
    )
    note = completed(searched_sweep, replace(item, candidates=many, winner=499)).tags["mlflow.note.content"]

    lines = note.splitlines()
    rows = [line for line in lines if line.startswith("| ") and line.endswith("finished |")]
    assert [row.split(" | ")[0] for row in rows] == [f"| {499 - place}" for place in range(len(rows))]
    # Links to runs and the store's path are still to come.
    assert 4400 < len(note) <= 4700
    assert lines[-1] == f"{500 - 1 - len(rows)} more, none of them better, in runs of their own"
    assert lines[-2] == "", "a line right below a table is a row of it"


def test_values_that_are_not_numbers_come_last_and_bars_stay_in_their_cell(searched_sweep: Any) -> None:
    item = searched_sweep.finished[1]
    first = replace(item.candidates[0], value=float("nan"))
    odd = replace(first, candidate=replace(first.candidate, setting={"recipe.schedule": "a|b"}))

    note = completed(searched_sweep, replace(item, candidates=(odd, *item.candidates[1:3]))).tags["mlflow.note.content"]

    assert note.splitlines()[-3:] == [
        "| **2** | 0.05 | 2 |  | 10.00 % | 2 | 3 | **winner** |",
        "| 3 | 3 | 1 |  | 80.00 % | 1 | 1 | pruned |",
        "| 1 |  |  | a\\|b | nan % | 2 | 3 | finished |",
    ]


def test_outcomes_of_candidates(searched_sweep: Any) -> None:
    ends = completed_candidates(searched_sweep)

    assert [end.status for end in ends] == ["FINISHED", "FINISHED", "FINISHED", "FAILED"]
    assert [end.tags["bansweep.outcome"] for end in ends] == ["finished", "finished", "pruned", "failed"]
    assert [end.tags.get("bansweep.winner") for end in ends] == [None, "true", None, None]
    assert [end.tags.get("bansweep.reason") for end in ends] == [None, None, None, "the loss became nan"]
    assert (
        ends[2].tags["mlflow.note.content"].startswith("**pruned**, validation error 80.00 % in epoch 1\n\ncandidate 3")
    )


def test_points_of_candidates(searched_sweep: Any) -> None:
    ends = completed_candidates(searched_sweep)

    begun = AT + 90
    assert set(ends[2].points) == {
        ("train_loss", 2.0, (begun + 2) * 1000, 1),
        ("validation_error", 80.0, (begun + 2) * 1000, 1),
        ("epoch_seconds", 1.5, (begun + 2) * 1000, 1),
        ("final_validation_error", 80.0, (begun + 2) * 1000, 1),
        ("selected_epoch", 1.0, (begun + 2) * 1000, 1),
        ("training_seconds", 1.5, (begun + 2) * 1000, 1),
    }
    assert (ends[2].started_at, ends[2].ended_at) == (begun + 0.5, begun + 2)
    assert set(ends[3].points) == {("training_seconds", 0.0, (AT + 70) * 1000, 0)}
    assert {point.value for point in ends[1].points if point.key == "final_validation_error"} == {10.0}


def test_the_digest_of_an_end_changes_with_what_was_trained_anew(searched_sweep: Any) -> None:
    item = searched_sweep.finished[1]
    one = item.candidates[0]
    description = payload.describe_candidate(searched_sweep.plan, item.generation_id, one.candidate)
    later = replace(one, history=tuple(replace(report, finished_at=report.finished_at + 1) for report in one.history))

    ends = [completed_candidate(description, item, each) for each in (one, replace(one), later)]

    assert ends[0].digest == ends[1].digest != ends[2].digest
