"""What is remembered of events."""

from __future__ import annotations

from typing import Any

from bansweep.graph.events import (
    CandidateEnded,
    CandidateEpochFinished,
    CandidateStarted,
    GenerationBlocked,
    GenerationFinished,
    GenerationNotNeeded,
    GenerationStarted,
    GenerationStopped,
)
from bansweep.tracking.protocol import Outcomes


def test_the_last_word_on_a_generation_counts() -> None:
    outcomes = Outcomes()
    outcomes.note(GenerationBlocked("b", cause="a"))
    outcomes.note(GenerationNotNeeded("b", cause="a"))
    outcomes.note(GenerationStopped("c"))
    assert outcomes == Outcomes(running={"c"}, not_needed={"b": "a"})

    outcomes.note(GenerationStarted("b"))
    outcomes.note(GenerationFinished("c"))
    assert outcomes == Outcomes(running={"b"})


def test_candidates_change_nothing_about_their_generation(searched_sweep: Any) -> None:
    """Epochs of candidates that were given up are told when the generation may have been finished long ago."""
    student_id, [one, two, *_] = searched_sweep.student_id, searched_sweep.finished[1].candidates
    outcomes = Outcomes()
    outcomes.note(GenerationStarted(student_id))
    outcomes.note(CandidateStarted(student_id, one.candidate))
    outcomes.note(CandidateEpochFinished(student_id, two.candidate, two.history[0]))
    ended = CandidateEnded(student_id, one.candidate, "pruned")
    outcomes.note(ended)
    outcomes.note(GenerationFinished(student_id))
    outcomes.note(CandidateEpochFinished(student_id, one.candidate, one.history[0]))

    assert not outcomes.running
    assert outcomes.unfinished_candidates(frozenset()) == (ended, CandidateStarted(student_id, two.candidate))
    assert outcomes.unfinished_candidates(frozenset([student_id])) == ()
