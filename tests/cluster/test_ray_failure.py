from __future__ import annotations

from bansweep.cluster.ray_failure import ran_out_of_memory, ray_failure

# As Ray 2.60 words it; a page of advice follows.
OUT_OF_MEMORY = """\
Caught unexpected exception: 1 worker(s) were killed due to the node running low on memory. Memory on the node (IP: \
127.0.0.1, ID: 0ebb78) was 22.39GB used / 23.54GB limit (0.951277)
OOM kill reason: Memory usage 24044425216B exceeded threshold of 24012257280B (95.0% of 25276059648B limit)
Refer to the documentation on how to address the out of memory issue: https://docs.ray.io/
"""


def test_memory_that_ran_out_is_told_with_what_needs_less() -> None:
    error = RuntimeError(OUT_OF_MEMORY)
    assert ran_out_of_memory(error)
    told = ray_failure(error)
    assert told.cause == "Ray ended a generation's process: its node's memory ran out"
    assert "resources.concurrency" in told.remedy
    assert "run the same command to resume" in told.remedy


def test_another_failure_is_told_by_its_last_line() -> None:
    error = RuntimeError("a page\nof lines\nthe head node is gone\n")
    assert not ran_out_of_memory(error)
    assert ray_failure(error).cause == "Ray gave up: the head node is gone"
    assert ray_failure(KeyError()).cause == "Ray gave up: KeyError"
