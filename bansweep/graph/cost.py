"""The cost of a sweep before it runs: from measured times, else from counts of operations and kernels.

Small networks do not keep a GPU busy: the host takes a few microseconds to launch each kernel, and the GPU a few to run
even the smallest. The constants for kernels are estimates for one H200 (bf16, a batch of 128) and have not been
measured. They are chosen so that a step of WRN-28-1, which has 53 layers, takes the expected time: 3 to 4 ms eager,
1 to 1.5 ms compiled, of which the device is busy for 0.6 to 1 ms.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from statistics import median
from typing import Literal

from bansweep.config.networks import NetworkSpec
from bansweep.config.resources import Precision, Resources
from bansweep.graph.generation import Generation
from bansweep.graph.plan import Plan
from bansweep.graph.workload import GIGABYTE, DataSize, TeacherStorage, Work, stored_bytes, training_work

Device = Literal["gpu", "cpu"]

# How a CPU computes bf16: by instructions for it, by AVX-512 instructions for fp32, or without either.
Bf16 = Literal["native", "avx512", "emulated"]

# By PyTorch from Python, and by Triton's launcher or cuDNN: published figures lie between 4 and 6 µs.
LAUNCH_S = 5e-6
# The smallest kernel.
_SMALLEST_KERNEL_S = 3.5e-6

# Kernels of a layer (a convolution, normalisation or linear layer) in a step: forward, backward to inputs and weights,
# and the update. Eager PyTorch also launches casts, activations, sums of gradients and zeroing one by one.
_KERNELS_OF_A_LAYER = 4
_EAGER_LAUNCHES_OF_A_LAYER = 12
# cuDNN's for one time step of a recurrent layer: a product and the gates, forward and backward.
_KERNELS_OF_A_TIME_STEP = 4
# A forward pass alone: backward to inputs and to weights takes as much again each.
_FORWARD = 1 / 3

# Multiply-adds a second in training.
#
# GPU: one H200. In bf16 about a quarter of its dense peak (495e12): with this rate the counts of tables 1, 2 and 3
# come to within a tenth of the hours in their headers (sweeps/table*.yaml), which were computed from counts and memory
# traffic and not measured either. Deep and narrow DenseNets are bound by memory traffic and take longer: table 4's
# header has three times what this rate gives. "fp32" is exact (no TF32), whose peak is a fifteenth. Networks that are
# too small for this rate are bound by the number of their kernels: `gpu_seconds`.
#
# CPU: one core of a server (AMD EPYC), measured on training steps: in fp32 19e9 for DenseNet-40-12, 22e9 to 28e9
# for a small LSTM, 28e9 for WRN-10-1 and 44e9 for WRN-28-2; images of 8x8 pixels 9e9. In bf16 twice as much, with
# instructions for it.
RATES: Mapping[Device, Mapping[Precision, float]] = {
    "gpu": {"bf16": 125e12, "fp32": 8.5e12},
    "cpu": {"bf16": 50e9, "fp32": 25e9},
}
# Without instructions for bf16, by the same CPU's fp32: steps of WRN-10-1, WRN-28-2 and DenseNet-40-12 take 1.8 to 3
# times as long as in fp32 with AVX-512, and 5 to 10 times without; other CPUs took up to 36 times.
EMULATED_BF16_RATES: Mapping[Bf16, float] = {"avx512": 10e9, "emulated": 3.5e9}

_SECONDS_AN_HOUR = 3600.0


@dataclass(frozen=True)
class Placement:
    """What one training computes on. `devices`: how many GPUs (fractions as such) or CPU processes it holds, of `cores`
    each; that is also what a budget counts. `bf16`: how the CPU computes it. `compiled`: whether torch.compile is on,
    which only counts on GPUs."""

    device: Device
    devices: float
    cores: int = 1
    bf16: Bf16 = "native"
    compiled: bool = True

    def seconds(self, work: Work, precision: Precision) -> float:
        """How long a part of a training takes on the devices together."""
        in_precision = work.operations - work.fp32_operations
        arithmetic_s = in_precision / self.rate(precision) + work.fp32_operations / self.rate("fp32")
        if self.device == "cpu":
            return arithmetic_s / self.devices
        return gpu_seconds(work, arithmetic_s=arithmetic_s, gpus=self.devices, compiled=self.compiled)

    def rate(self, precision: Precision) -> float:
        """Multiply-adds a second of one of the devices."""
        return self.core_rate(precision) * self.cores

    def core_rate(self, precision: Precision) -> float:
        """Multiply-adds a second of a GPU or of one core."""
        if precision == "bf16" and self.device == "cpu" and self.bf16 in EMULATED_BF16_RATES:
            return EMULATED_BF16_RATES[self.bf16]
        return RATES[self.device][precision]


def gpu_seconds(work: Work, *, arithmetic_s: float, gpus: float, compiled: bool) -> float:
    """Seconds that `work` takes on `gpus` GPUs: a part of one, or one for each of several workers.

    `arithmetic_s` is the duration of its arithmetic on one GPU. Workers share the arithmetic of a batch, but each
    launches the kernels of all layers. Processes that share a GPU launch side by side, but their kernels run in turn.
    """
    share = min(1.0, gpus)
    passes = 1.0 if work.trains else _FORWARD
    launches_of_a_layer = _KERNELS_OF_A_LAYER if compiled and work.compilable else _EAGER_LAUNCHES_OF_A_LAYER
    time_step_kernels = work.time_steps * _KERNELS_OF_A_TIME_STEP
    launching = LAUNCH_S * passes * (work.layers * launches_of_a_layer + time_step_kernels)
    running = _SMALLEST_KERNEL_S * passes * (work.layers * _KERNELS_OF_A_LAYER + time_step_kernels)
    return max(arithmetic_s / gpus, launching, running / share)


@dataclass(frozen=True)
class MeasuredTraining:
    """A finished training and its duration: `seconds` of wall time an epoch. `teacher` is the teacher's network, if
    it is known."""

    generation: Generation
    teacher: NetworkSpec | None
    device: Device
    seconds: float


@dataclass(frozen=True)
class Estimate:
    """What a generation will still take: hours of devices (see `Placement`) and of wall time."""

    device_hours: float
    wall_hours: float
    measured: bool


@dataclass(frozen=True)
class Cost:
    """The sum over unfinished generations; None where one of them is unknown.

    `measured`, `estimated`: how many generations' hours come from measured times and from operation counts.
    """

    placement: Placement
    rate: float
    hours: float | None
    critical_path_hours: float | None
    measured: int
    estimated: int


def placements(
    resources: Resources, measured: Sequence[MeasuredTraining] = (), bf16: Bf16 = "native"
) -> tuple[Placement, ...]:
    """What trainings will compute on, as far as that is known without the cluster.

    If the sweep does not say, it is what most of the measured trainings computed on; without any, both. `bf16` is how
    the CPUs compute it.
    """
    processes = max(1, resources.workers or 0)
    gpus = 1.0 if resources.gpus_per_worker is None else resources.gpus_per_worker
    compiled = resources.compile is not False and not resources.recompute
    on_gpus = Placement("gpu", processes * gpus, compiled=compiled)
    on_cpus = Placement("cpu", processes, cores=resources.cpus_per_worker, bf16=bf16)
    if resources.gpus_per_worker is not None:
        return (on_gpus if gpus else on_cpus,)
    if measured:
        gpu_trainings = sum(training.device == "gpu" for training in measured)
        return (on_gpus if 2 * gpu_trainings > len(measured) else on_cpus,)
    return on_gpus, on_cpus


def candidates_of(generation: Generation) -> int:
    """How many trainings a generation takes: a searched one those of all its candidates, if none is pruned."""
    return 1 if generation.search is None else generation.search.size


def comparable_trainings(
    measured: Iterable[MeasuredTraining], generations: Iterable[Generation]
) -> list[MeasuredTraining]:
    """The measured trainings from which the times of some of the generations can be estimated."""
    wanted = {_conditions(generation) for generation in generations}
    return [training for training in measured if _conditions(training.generation) in wanted]


def estimates(
    plan: Plan,
    epochs_done: Mapping[str, int],
    placement: Placement,
    *,
    data: DataSize | None,
    storage: TeacherStorage,
    measured: Sequence[MeasuredTraining] = (),
    precision: Precision | None = None,
) -> dict[str, Estimate]:
    """What each unfinished generation will still take; with `precision`, what it would take in that one.

    `epochs_done` has the unfinished ones and the epochs that they have done. The result lacks those of which nothing is
    known: with `data` of unknown size (None), all that were not measured.
    """
    of_device = [one for one in measured if one.device == placement.device]
    estimator = _Estimator(plan, placement, data, storage, of_device, precision)
    found = {generation_id: estimator.estimate(generation_id, done) for generation_id, done in epochs_done.items()}
    return {generation_id: estimate for generation_id, estimate in found.items() if estimate is not None}


def bf16_share(
    plan: Plan, epochs_done: Mapping[str, int], placement: Placement, *, data: DataSize | None, storage: TeacherStorage
) -> float | None:
    """The time in bf16 over that in fp32, both estimated, of all that `epochs_done` has; None where it is unknown."""

    def device_hours(precision: Precision) -> float | None:
        known = estimates(plan, epochs_done, placement, data=data, storage=storage, precision=precision)
        return sum(one.device_hours for one in known.values()) if len(known) == len(epochs_done) else None

    fp32, bf16 = device_hours("fp32"), device_hours("bf16")
    return bf16 / fp32 if fp32 and bf16 is not None else None


def total_cost(
    plan: Plan, unfinished: Iterable[str], placement: Placement, known: Mapping[str, Estimate], precision: Precision
) -> Cost:
    """The cost of all unfinished generations from their `estimates`."""
    complete = all(generation_id in known for generation_id in unfinished)
    measured = sum(estimate.measured for estimate in known.values())
    return Cost(
        placement=placement,
        rate=placement.core_rate(precision),
        hours=sum(estimate.device_hours for estimate in known.values()) if complete else None,
        critical_path_hours=_longest_chain(plan, known) if complete else None,
        measured=measured,
        estimated=len(known) - measured,
    )


def stored_gigabytes(
    plan: Plan, unfinished: Iterable[str], data: DataSize | None, *, keep_all: Collection[str] = ()
) -> float | None:
    """What the unfinished generations will take in the store; None where the size of data or a network is unknown.

    `keep_all` has the searched ones all of whose candidates are stored beside the winner.
    """
    if data is None:
        return None
    total = 0
    for generation_id in unfinished:
        generation = plan.generations[generation_id]
        networks = 1 + candidates_of(generation) if generation_id in keep_all else 1
        one = stored_bytes(generation, data)
        if one is None:
            return None
        total += networks * one
    return total / GIGABYTE


class _Estimator:
    """Estimates generations' times on one placement."""

    def __init__(
        self,
        plan: Plan,
        placement: Placement,
        data: DataSize | None,
        storage: TeacherStorage,
        measured: Sequence[MeasuredTraining],
        precision: Precision | None,
    ) -> None:
        self._plan = plan
        self._placement = placement
        self._data = data
        self._storage = storage
        self._precision = precision
        self._epochs: dict[object, tuple[float | None, bool]] = {}
        self._measured: dict[object, list[MeasuredTraining]] = {}
        for training in measured:
            self._measured.setdefault(_conditions(training.generation), []).append(training)

    def estimate(self, generation_id: str, epochs_done: int) -> Estimate | None:
        generation = self._plan.generations[generation_id]
        seconds, measured = self._epoch(generation)
        if seconds is None:
            return None
        search = generation.search
        epochs = generation.recipe.epochs - (epochs_done if search is None else 0)
        # Candidates that do not learn from each other can all be trained side by side.
        learns = search is not None and search.sampling == "tpe"
        rounds = ceil(search.size / search.parallel) if search is not None and learns else 1
        hours = epochs * seconds / _SECONDS_AN_HOUR
        return Estimate(
            device_hours=hours * self._placement.devices * candidates_of(generation),
            wall_hours=hours * rounds,
            measured=measured,
        )

    def _epoch(self, generation: Generation) -> tuple[float | None, bool]:
        """Seconds an epoch, and whether they were measured. Replicas share the answer: there may be thousands."""
        kind = (_conditions(generation), generation.loss, generation.recipe, self._teacher(generation))
        if kind not in self._epochs:
            seconds, measured = self._measured_epoch(generation), True
            if seconds is None:
                seconds, measured = self._counted_epoch(generation, self._teacher(generation)), False
            self._epochs[kind] = (seconds, measured)
        return self._epochs[kind]

    def _measured_epoch(self, generation: Generation) -> float | None:
        """Seconds an epoch by the median of measured trainings: of the same loss if there are any, else of others."""
        similar = self._measured.get(_conditions(generation), [])
        same_loss = [one for one in similar if one.generation.loss.kind == generation.loss.kind]
        scaled = [self._scaled(one, generation) for one in same_loss or similar]
        seconds = [one for one in scaled if one is not None]
        return median(seconds) if seconds else None

    def _scaled(self, measured: MeasuredTraining, generation: Generation) -> float | None:
        """The measured time of an epoch, scaled by how much more an epoch of the generation should take."""
        teacher = self._teacher(generation)
        if measured.generation.loss.kind == generation.loss.kind and measured.teacher == teacher:
            return measured.seconds
        wanted = self._counted_epoch(generation, teacher)
        taken = self._counted_epoch(measured.generation, measured.teacher)
        return None if wanted is None or taken is None else measured.seconds * wanted / taken

    def _counted_epoch(self, generation: Generation, teacher: NetworkSpec | None) -> float | None:
        """Seconds an epoch by operation and layer counts, with an epoch's part of what is computed once."""
        if self._data is None:
            return None
        work = training_work(generation, teacher, self._data, self._storage)
        if work is None:
            return None
        precision = self._precision or generation.precision
        return sum(self._placement.seconds(part, precision) for part in work) / generation.recipe.epochs

    def _teacher(self, generation: Generation) -> NetworkSpec | None:
        return None if generation.teacher is None else self._plan.generations[generation.teacher].network


def _conditions(generation: Generation) -> object:
    """What generations must have in common for the time of one to predict that of another."""
    return generation.network, generation.recipe.batch_size, generation.data, generation.precision


def _longest_chain(plan: Plan, known: Mapping[str, Estimate]) -> float:
    """Wall time in hours of the slowest chain of generations: more devices cannot make a sweep faster."""
    hours = {generation_id: estimate.wall_hours for generation_id, estimate in known.items()}
    return max(plan.summed_with_teachers(hours).values(), default=0.0)
