"""What is to be run on Kubernetes, and the command that submits it to Ray."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from bansweep.deployment.names import job_name

SWEEP_FOLDER = "/etc/bansweep/sweep"
SWEEP_FILE = "sweep.yaml"


@dataclass(frozen=True)
class Submission:
    """A sweep file's text and name, the options of `bansweep submit`, and where it goes.

    `code`: the Python files beside it, their texts by name.
    `store` None is the cluster's own; `budget` is in device hours.
    """

    text: str
    sweep: str
    namespace: str
    cluster: str
    image: str
    code: Mapping[str, str] = field(default_factory=dict)
    store: str | None = None
    overrides: Sequence[str] = ()
    only: Sequence[str] = ()
    rehearse: bool = False
    budget: float | None = None

    @property
    def options(self) -> tuple[str, ...]:
        return tuple(self._options())

    def _options(self) -> Iterator[str]:
        # With `=`: a value that begins with a hyphen stays a value.
        if self.store is not None:
            yield f"--store={self.store}"
        yield from (f"--set={override}" for override in self.overrides)
        yield from (f"--only={pattern}" for pattern in self.only)
        if self.rehearse:
            yield "--rehearse"
        if self.budget is not None:
            yield f"--budget={self.budget}"

    @property
    def name(self) -> str:
        """Of its objects; another one for everything that would make it run otherwise."""
        text = "".join([self.text, *(part for file in sorted(self.code.items()) for part in file)])
        return job_name(self.sweep, text, self.options, self.cluster, self.image)


def submit_command(submission: Submission) -> list[str]:
    """Submits the sweep and follows it; KubeRay sets the two variables, of which the address has no scheme.

    A pod that takes another's place finds the job by its id and goes on following. A head that was lost and came back
    knows no such job: it is submitted again, and goes on from the store.
    """
    return [
        "bansweep",
        "submit",
        f"{SWEEP_FOLDER}/{SWEEP_FILE}",
        "--address=http://$(RAY_DASHBOARD_ADDRESS)",
        "--job=$(RAY_JOB_SUBMISSION_ID)",
        "--follow",
        *map(literal, submission.options),
    ]


def literal(text: str) -> str:
    """`text` as an argument of a container in which Kubernetes is to replace nothing: it would, `$(NAME)`."""
    return text.replace("$", "$$")
