"""What a user hears where Ray itself fails, which is no generation's fault."""

from __future__ import annotations

from bansweep.errors import ClusterError

# Ray's words; as a RuntimeError of Tune's they reach the driver where an actor was between two calls.
_OUT_OF_MEMORY = "node running low on memory"
_GOES_ON = "run the same command again: finished generations and saved epochs are kept"


def ran_out_of_memory(error: BaseException) -> bool:
    """Whether Ray ended a process because its node's memory ran out."""
    return _OUT_OF_MEMORY in str(error)


def ray_failure(error: BaseException) -> ClusterError:
    """What to raise for an error of Ray's or Tune's own."""
    if ran_out_of_memory(error):
        return ClusterError(
            "Ray ended a generation's process: its node's memory ran out",
            remedy=f"{_GOES_ON}; a smaller resources.concurrency, or resources.teacher_memory_gb, needs less of it",
        )
    return ClusterError(
        f"Ray gave up: {(str(error).strip().splitlines() or [type(error).__name__])[-1]}", remedy=_GOES_ON
    )
