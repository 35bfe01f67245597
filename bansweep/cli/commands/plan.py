"""`bansweep plan`: the graph of a sweep, its finished part, and the cost of the rest."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import typer

from bansweep.cli.options import AsJson, Only, Overrides, Rehearse, StoreLocation, SweepFile
from bansweep.config.losses import loss_name
from bansweep.config.networks import NetworkSpec
from bansweep.data.size import data_size
from bansweep.errors import StoreError
from bansweep.formatting import duration_text, size_text
from bansweep.graph.chains import without_ended
from bansweep.graph.cost import (
    LAUNCH_S,
    Cost,
    Device,
    MeasuredTraining,
    bf16_share,
    candidates_of,
    comparable_trainings,
    estimates,
    placements,
    stored_gigabytes,
    total_cost,
)
from bansweep.graph.expand import keeping_all_candidates
from bansweep.graph.generation import Generation
from bansweep.graph.plan import EnsembleCell, Plan
from bansweep.graph.workload import DataSize, TeacherStorage
from bansweep.scheduling.schedule import chain_lengths
from bansweep.service.generation_states import GenerationStates, generation_states
from bansweep.service.request import SweepRequest, budget_text, sweep_request
from bansweep.service.stored_status import readable_records
from bansweep.store.location import DEFAULT_STORE
from bansweep.store.records import GenerationRecord
from bansweep.store.store import Store

_OPERATIONS_OF_A_MULTIPLY_ADD = 2

_MARK = {"finished": "✓", "started": "…", "waiting": "·", "damaged": "!", "not needed": "×"}


def plan(
    sweep: SweepFile,
    store: StoreLocation = DEFAULT_STORE,
    overrides: Overrides = None,
    only: Only = None,
    rehearse: Rehearse = False,
    as_json: AsJson = False,
) -> None:
    """bansweep plan sweeps/quickstart.yaml: what would be trained, from which teachers, and what that will cost.

    Example: bansweep plan sweeps/table2.yaml --only 'densenet-90-60/*' --store ~/networks
    """
    request = sweep_request(sweep, store, overrides, only, rehearse=rehearse)
    graph = request.plan
    states = generation_states(graph, request.store)
    estimated = sweep_cost(request, states.unfinished)
    if as_json:
        typer.echo(json.dumps(_document(graph, states, estimated), indent=2))
        return
    cells = len(graph.cells) + len(graph.ensembles)
    typer.echo(
        f"{graph.sweep}: {cells} cells, {len(graph.generations)} distinct generations, "
        f"{len(states.finished)} finished in {request.location}"
    )
    cost = _cost(graph, states)
    typer.echo(
        f"to train: {cost['generations']} generations, {cost['epochs']:,} epochs; "
        f"longest chain {cost['critical_path_generations']} generations"
    )
    for line in estimated.lines:
        typer.echo(line)
    if states.unfinished and request.bf16_message is not None:
        typer.echo(request.bf16_message)
    if request.spec.budget is not None:
        typer.echo(budget_text(request))
    ensembles = without_ended(graph, states.ends).ensembles
    typer.echo("\n".join(_tree(graph, states, ensembles)))


def _document(graph: Plan, states: GenerationStates, estimated: SweepCost) -> dict[str, Any]:
    return {
        "generations": [
            {
                "id": generation_id,
                "network": generation.network.name,
                "rows": list(dict.fromkeys(cell.row for cell in graph.cells_of[generation_id])),
                "columns": list(dict.fromkeys(cell.column for cell in graph.cells_of[generation_id])),
                "generation_index": generation.generation_index,
                "loss": loss_name(generation.loss),
                "teacher": generation.teacher,
                "seed": generation.seed,
                "replica_seed": graph.cells_of[generation_id][0].replica_seed,
                "state": states.by_id[generation_id],
            }
            for generation_id, generation in graph.generations.items()
        ],
        "ensembles": [
            {"row": cell.row, "column": cell.column, "seed": cell.replica_seed, "members": list(cell.members)}
            for cell in graph.ensembles
        ],
        "cost": {**_cost(graph, states), **estimated.document},
    }


def _cost(graph: Plan, states: GenerationStates) -> dict[str, int]:
    """What is left to train; the longest chain of it cannot be trained in parallel."""
    unfinished = states.unfinished
    lengths = chain_lengths(graph)
    return {
        "generations": len(unfinished),
        "epochs": sum(one.recipe.epochs * candidates_of(one) for one in map(graph.generations.__getitem__, unfinished)),
        "critical_path_generations": max((lengths[generation_id] for generation_id in unfinished), default=0),
    }


def _tree(graph: Plan, states: GenerationStates, ensembles: Sequence[EnsembleCell]) -> Iterator[str]:
    """A line for every generation, students below their teachers, and then the ensembles."""
    students: dict[str | None, list[str]] = {}
    for generation_id, generation in graph.generations.items():
        students.setdefault(generation.teacher, []).append(generation_id)
    names = {one: "  " * g.generation_index + graph.label(one) for one, g in graph.generations.items()}
    width = max(map(len, names.values()))
    stack = list(reversed(students[None]))
    while stack:
        generation_id = stack.pop()
        generation = graph.generations[generation_id]
        state = states.by_id[generation_id]
        what = f"{loss_name(generation.loss):<9}  {generation_id}  {state}{_search_text(generation)}"
        yield f"  {_MARK[state]} {names[generation_id]:<{width}}  {what}"
        stack += reversed(students.get(generation_id, []))
    for cell in ensembles:
        yield f"  ∪ {cell.row} / {cell.column} (seed {cell.replica_seed}): mean of {len(cell.members)} members"


def _search_text(generation: Generation) -> str:
    """`  tpe search among 8 candidates, asha`."""
    search = generation.search
    if search is None:
        return ""
    pruner = "" if search.pruner is None else f", {search.pruner.kind}"
    return f"  {search.sampling} search among {search.size} candidates{pruner}"


@dataclass(frozen=True)
class SweepCost:
    """`costs`: one for each possible device, as far as known. `at_most`: searches may prune candidates, and chains may
    stop. `bf16_share`: of an fp32 sweep on a GPU, the time that bf16 would take over its own."""

    unfinished: int
    costs: tuple[Cost, ...]
    disk_gb: float | None
    at_most: bool
    data: str
    data_known: bool
    bf16_share: float | None = None

    @property
    def document(self) -> dict[str, Any]:
        """For `--json`: hours and rates by device, in hours of one GPU or CPU process and multiply-adds a second."""
        return {
            "hours": {cost.placement.device: cost.hours for cost in self.costs},
            "critical_path_hours": {cost.placement.device: cost.critical_path_hours for cost in self.costs},
            "measured": self.costs[0].measured,
            "estimated": self.costs[0].estimated,
            "disk_gb": self.disk_gb,
            "rate": {cost.placement.device: cost.rate for cost in self.costs},
            "bf16_share": self.bf16_share,
        }

    @property
    def lines(self) -> tuple[str, ...]:
        """The estimate and its basis as text; empty where nothing is left to train."""
        if not self.unfinished:
            return ()
        known = self.costs[0].measured + self.costs[0].estimated
        if known < self.unfinished:
            why = (
                "what a network of your own takes is known once one of them is trained"
                if self.data_known
                else f"how large the {self.data} data are is known once `bansweep run --rehearse` has prepared them"
            )
            return (f"estimated: unknown for {self.unfinished - known} of {self.unfinished} generations: {why}",)
        bound = "at most " if self.at_most else ""
        devices = " or ".join(_device_time_text(cost) for cost in self.costs)
        chain = " or ".join(dict.fromkeys(_time_text(cost.critical_path_hours or 0.0) for cost in self.costs))
        disk = "" if self.disk_gb is None else f"; disk {size_text(self.disk_gb * 1e9)}"
        estimated = f"estimated: {bound}{devices}; longest chain {chain}{disk}"
        precision = () if self.bf16_share is None else (f"  {_bf16_text(self.bf16_share)}",)
        return estimated, f"  {self._basis}", *precision

    @property
    def _basis(self) -> str:
        measured = self.costs[0].measured
        if measured == self.unfinished:
            return "by times measured in this store"
        counted = (
            f"computed from operation counts, not measured: {' or '.join(_rate_text(cost) for cost in self.costs)}"
        )
        if not measured:
            return counted
        return f"{measured} of {self.unfinished} generations by times measured in this store, the others {counted}"


def sweep_cost(request: SweepRequest, unfinished: Sequence[str]) -> SweepCost:
    """The cost of the rest of a sweep. Reads the store's records and ignores damaged ones."""
    plan, spec = request.plan, request.spec
    generations = [plan.generations[generation_id] for generation_id in unfinished]
    measured = comparable_trainings(_measured_trainings(request.store), generations) if generations else []
    data = _size_of(request)
    storage = TeacherStorage.of_gigabytes(spec.resources.teacher_memory_gb, spec.resources.teacher_disk_gb)
    begun = request.store.begun()
    epochs_done = {one: request.store.epochs_done(one) if one in begun else 0 for one in unfinished}
    costs, share = [], None
    for placement in placements(spec.resources, measured, request.bf16):
        known = estimates(plan, epochs_done, placement, data=data, storage=storage, measured=measured)
        costs.append(total_cost(plan, unfinished, placement, known, spec.resources.precision))
        if placement.device == "gpu" and spec.resources.precision == "fp32":
            share = bf16_share(plan, epochs_done, placement, data=data, storage=storage)
    return SweepCost(
        unfinished=len(unfinished),
        costs=tuple(costs),
        disk_gb=stored_gigabytes(plan, unfinished, data, keep_all=keeping_all_candidates(spec, plan)),
        at_most=any(chain.stop is not None for chain in spec.chain) or any(map(_may_end_early, generations)),
        data=spec.data.kind,
        data_known=data is not None,
        bf16_share=share,
    )


def _measured_trainings(store: Store) -> list[MeasuredTraining]:
    """The durations of the store's finished trainings. Reads a file for each and skips unreadable ones."""
    records = {record.id: record for record in readable_records(store, store.ids())}
    return [_measured(record, records, _epoch_seconds(store, record)) for record in records.values()]


def _epoch_seconds(store: Store, record: GenerationRecord) -> float:
    """The usual duration of an epoch: the first one of a compiled training also compiled."""
    if record.compiled_epochs:
        try:
            return median(report.seconds for report in store.history(record.id))
        except StoreError:
            pass  # the next run notices and repairs what is damaged
    return record.training_seconds / record.trained.recipe.epochs


def _measured(record: GenerationRecord, records: Mapping[str, GenerationRecord], seconds: float) -> MeasuredTraining:
    trained = record.trained
    teacher: NetworkSpec | None = None
    if trained.teacher is not None:
        # If the teacher's record is missing, assume the student's network, as in nearly all sweeps.
        teacher = records[trained.teacher].trained.network if trained.teacher in records else trained.network
    device: Device = "cpu" if record.device.endswith("CPU") else "gpu"
    return MeasuredTraining(trained, teacher, device, seconds)


def _size_of(request: SweepRequest) -> DataSize | None:
    generation = next(iter(request.plan.generations.values()))
    return data_size(request.spec.data, generation.data.fingerprint)


def _may_end_early(generation: Generation) -> bool:
    return generation.search is not None and generation.search.pruner is not None and candidates_of(generation) > 1


def _device_time_text(cost: Cost) -> str:
    cores = cost.placement.cores
    device = "GPU" if cost.placement.device == "gpu" else "CPU"
    return f"{_time_text(cost.hours or 0.0)} of {device} time{f' on {cores} cores' * (cores > 1)}"


def _time_text(hours: float) -> str:
    """Operation counts omit startup and kernel launches, which dominate short times."""
    return duration_text(hours * 3600) if hours >= 1 / 60 else "less than 1 min"


def _bf16_text(share: float) -> str:
    time = "as long" if share > 0.9 else f"about {share:.1g} of that"
    return f"fp32 on a GPU computes without TF32; bf16 would take {time} (resources.precision, other generations)"


def _rate_text(cost: Cost) -> str:
    operations = cost.rate * _OPERATIONS_OF_A_MULTIPLY_ADD
    if cost.placement.device == "gpu":
        return f"{operations / 1e12:.3g} TFLOP/s and {LAUNCH_S * 1e6:g} µs to launch a kernel"
    return f"{operations / 1e9:.3g} GFLOP/s a core"
