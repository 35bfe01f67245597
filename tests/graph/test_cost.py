"""Estimates by hand: operations, rates, measured times, chains and searches."""

from __future__ import annotations

from math import ceil

import pytest

from bansweep.config.networks import Lstm, network_from_name
from bansweep.config.reading import parse_sweep
from bansweep.config.resources import Resources
from bansweep.graph.cost import (
    RATES,
    MeasuredTraining,
    Placement,
    bf16_share,
    candidates_of,
    comparable_trainings,
    estimates,
    placements,
    stored_gigabytes,
    total_cost,
)
from bansweep.graph.expand import expand
from bansweep.graph.generation import DataIdentity, Generation
from bansweep.graph.operations import Images, Vocabulary, network_size
from bansweep.graph.plan import Plan
from bansweep.graph.workload import DataSize, TeacherStorage, Work, stored_bytes, training_operations

IMAGES = Images(channels=1, height=8, width=8, classes=10)
DATA = DataSize(IMAGES, training=1000, evaluation=300, test=300)
NO_STORAGE = TeacherStorage(0, 0)
ONE_GPU = Placement("gpu", 1.0)
ONE_CORE = Placement("cpu", 1)

SWEEP = """\
name: costs
data: digits
recipe: {base: wide-resnet, epochs: 7, batch_size: 64}
networks: [wrn-10-1]
generations:
  teacher: {loss: labels}
  ban:     {loss: kd, teacher: teacher}
  wide:    {loss: kd, teacher: teacher, network: wrn-16-2}
  ban-2:   {loss: kd, teacher: ban}
"""
NARROW = network_from_name("wrn-10-1")
WIDE = network_from_name("wrn-16-2")


def plan_of(*overrides: str, text: str = SWEEP) -> Plan:
    return expand(parse_sweep(text, overrides), DataIdentity(kind="digits", fingerprint="0123abcd"))


def of_column(plan: Plan, column: str) -> Generation:
    (found,) = (cell.generation_id for cell in plan.cells if cell.column == column)
    return plan.generations[found]


def hours(
    plan: Plan, placement: Placement = ONE_CORE, *measured: MeasuredTraining, data: DataSize | None = DATA
) -> dict[str, float]:
    """Device hours of the columns of which they are known."""
    unfinished = dict.fromkeys(plan.generations, 0)
    known = estimates(plan, unfinished, placement, data=data, storage=NO_STORAGE, measured=measured)
    found = {generation_id: estimate.device_hours for generation_id, estimate in known.items()}
    return {column: found[of_column(plan, column).id] for column in plan.columns if of_column(plan, column).id in found}


def test_a_trainings_operations_by_hand() -> None:
    plan = plan_of()
    narrow, wide = network_size(NARROW, IMAGES).operations, network_size(WIDE, IMAGES).operations
    # 15 whole batches of 64; 300 images after each of 7 epochs, and once more at the end.
    by_labels = 7 * (3 * 960 + 300) * narrow + 300 * narrow
    assert training_operations(of_column(plan, "teacher"), None, DATA, NO_STORAGE) == by_labels
    assert training_operations(of_column(plan, "ban"), NARROW, DATA, NO_STORAGE) == by_labels + 7 * 960 * narrow
    of_wide = 7 * (3 * 960 + 300) * wide + 300 * wide + 7 * 960 * narrow
    assert training_operations(of_column(plan, "wide"), NARROW, DATA, NO_STORAGE) == of_wide


def test_a_teacher_that_is_not_asked_computes_nothing() -> None:
    plan = plan_of("generations.ban.loss=labels", "generations.ban.shared_layers=frozen")
    ban, teacher = of_column(plan, "ban"), of_column(plan, "teacher")
    assert training_operations(ban, NARROW, DATA, NO_STORAGE) == training_operations(teacher, None, DATA, NO_STORAGE)


TEXT = """\
name: costs
data: ptb
recipe: {base: lstm, epochs: 3, batch_size: 4}
networks: [{kind: lstm, units: 10, layers: 1}]
generations:
  teacher: {loss: labels}
  ban:     {loss: kd, teacher: teacher}
"""


@pytest.mark.parametrize(
    ("storage", "whole_passes", "decoder_passes"),
    [
        (TeacherStorage(400_000, 0), 1, 0),  # logits in memory: 1000 tokens, 200 words, two bytes
        (TeacherStorage(0, 400_000), 1, 0),  # on disk
        (TeacherStorage(399_999, 0), 1, 2),  # hidden states: the decoder again in every other epoch
        (TeacherStorage(39_999, 399_999), 3, 0),  # nothing
    ],
)
def test_a_language_teachers_outputs_are_computed_once_if_they_fit(
    storage: TeacherStorage, whole_passes: int, decoder_passes: int
) -> None:
    text = DataSize(Vocabulary(words=200, characters=26, longest=5), training=1003, evaluation=50, test=70)
    spec = Lstm(units=10, layers=1)
    decoder = 10 * 200
    token = 4 * 10 * (10 + 10) + decoder
    # 250 tokens in each of four streams; the validation text after each of 3 epochs, and once more with the test text.
    student = 3 * (3 * 1000 + 50) * token + (50 + 70) * token
    teacher = whole_passes * 1000 * token + decoder_passes * 1000 * decoder
    assert training_operations(of_column(plan_of(text=TEXT), "ban"), spec, text, storage) == student + teacher


def test_emulated_bf16_takes_longer_than_fp32_on_the_same_cpu() -> None:
    in_fp32, in_bf16 = plan_of(), plan_of("resources.precision=bf16")
    fp32 = hours(in_fp32)["ban"]
    assert hours(in_bf16)["ban"] == pytest.approx(fp32 / 2)
    assert hours(in_bf16, Placement("cpu", 1, bf16="avx512"))["ban"] == pytest.approx(fp32 * 2.5)
    assert hours(in_bf16, Placement("cpu", 1, bf16="emulated"))["ban"] > 5 * fp32
    # Neither fp32 nor a GPU has to do with it.
    assert hours(in_fp32, Placement("cpu", 1, bf16="emulated"))["ban"] == fp32
    assert Placement("gpu", 1, bf16="emulated").rate("bf16") == RATES["gpu"]["bf16"]
    (_, on_cpus) = placements(Resources(), bf16="emulated")
    assert total_cost(in_bf16, [], on_cpus, {}, "bf16").rate == on_cpus.rate("bf16") == 3.5e9


def test_counted_hours_are_operations_by_the_rate() -> None:
    plan = plan_of()
    by_hand = training_operations(of_column(plan, "ban"), NARROW, DATA, NO_STORAGE) / 25e9 / 3600
    assert RATES["cpu"]["fp32"] == 25e9
    assert hours(plan)["ban"] == pytest.approx(by_hand)
    # Two cores halve the time that a process holds; two processes share it.
    assert hours(plan, Placement("cpu", 1, cores=2))["ban"] == pytest.approx(by_hand / 2)
    assert hours(plan, Placement("cpu", 2))["ban"] == pytest.approx(by_hand)


LARGE = "networks=[wrn-28-10]"
CIFAR = DataSize(Images(channels=3, height=32, width=32, classes=10), training=50_000, evaluation=10_000, test=10_000)


@pytest.mark.parametrize("gpus", [0.25, 1.0, 4.0])
def test_a_large_networks_gpu_hours_are_operations_by_the_rate(gpus: float) -> None:
    """However many GPUs there are, or however small a part of one it is: each takes its share of the arithmetic."""
    plan = plan_of(LARGE, "recipe.batch_size=128")
    teacher = of_column(plan, "teacher")
    by_hand = training_operations(teacher, None, CIFAR, NO_STORAGE) / RATES["gpu"]["fp32"] / 3600
    assert hours(plan, Placement("gpu", gpus), data=CIFAR)["teacher"] == pytest.approx(by_hand)


def test_a_small_networks_gpu_hours_are_launches() -> None:
    """17 layers of WRN-10-1: 5 µs for each of 4 launches a layer in a compiled step, of 12 / 3 in a forward pass."""
    plan = plan_of()
    # 15 steps in each of 7 epochs. Of 300 images there are batches of 500: 7 * 300 + 300 images in all.
    steps, evaluations = 7 * 15, ceil(2400 / 500)
    by_hand = 17 * 5e-6 * (4 * steps + 12 / 3 * evaluations) / 3600
    assert hours(plan, ONE_GPU)["teacher"] == pytest.approx(by_hand)
    # Its teacher is shown 512 images at a time.
    taught = by_hand + 17 * 5e-6 * 12 / 3 * ceil(7 * 960 / 512) / 3600
    assert hours(plan, ONE_GPU)["ban"] == pytest.approx(taught)
    eager = 17 * 5e-6 * (12 * steps + 12 / 3 * evaluations) / 3600
    assert hours(plan, Placement("gpu", 1.0, compiled=False))["teacher"] == pytest.approx(eager)


def test_a_loss_that_compares_stages_asks_its_teacher_in_every_step() -> None:
    plan = plan_of()
    stages = plan_of("generations.ban.loss=kd+activations")
    extra = 17 * 5e-6 * 12 / 3 * (7 * 15 - ceil(7 * 960 / 512)) / 3600
    found = hours(stages, ONE_GPU)["ban"] - hours(plan, ONE_GPU)["ban"]
    assert found == pytest.approx(extra)


def test_bf16_saves_arithmetic_and_no_launches() -> None:
    def share(plan: Plan, data: DataSize, placement: Placement = ONE_GPU) -> float | None:
        return bf16_share(plan, dict.fromkeys(plan.generations, 0), placement, data=data, storage=NO_STORAGE)

    small = share(plan_of(), DATA)
    large = share(plan_of(LARGE, "recipe.batch_size=128", "generations.wide.network=wrn-28-10"), CIFAR)
    assert small == pytest.approx(1.0)
    assert large == pytest.approx(8.5 / 125)
    text = DataSize(Vocabulary(words=200, characters=26, longest=5), training=1003, evaluation=50, test=70)
    assert share(plan_of(text=TEXT), text) == pytest.approx(1.0), "small, too"
    unknown = plan_of()
    assert bf16_share(unknown, dict.fromkeys(unknown.generations, 0), ONE_GPU, data=None, storage=NO_STORAGE) is None


def test_recurrence_takes_as_long_in_bf16_as_in_fp32() -> None:
    """One second of it, and as many other operations as a GPU computes in 2 s in bf16 (125e12 a second)."""
    work = Work(operations=int(8.5e12 + 250e12), layers=1, fp32_operations=int(8.5e12))
    assert ONE_GPU.seconds(work, "bf16") == pytest.approx(3.0)
    assert ONE_GPU.seconds(work, "fp32") == pytest.approx(1.0 + 250 / 8.5)
    assert ONE_CORE.seconds(work, "bf16") == pytest.approx(8.5e12 / 25e9 + 250e12 / 50e9)


def test_finished_epochs_cost_nothing_more() -> None:
    plan = plan_of()
    ban = of_column(plan, "ban").id
    whole, rest = (estimates(plan, {ban: done}, ONE_CORE, data=DATA, storage=NO_STORAGE)[ban] for done in (0, 5))
    assert rest.device_hours == pytest.approx(whole.device_hours * 2 / 7)


def test_measured_times_of_the_same_loss_come_first() -> None:
    plan, other_seed = plan_of(), plan_of("seeds=[1]")
    labels = MeasuredTraining(of_column(other_seed, "teacher"), None, "cpu", seconds=1000.0)
    taught = [MeasuredTraining(of_column(other_seed, "ban"), NARROW, "cpu", seconds) for seconds in (30.0, 36.0, 99.0)]
    found = hours(plan, ONE_CORE, labels, *taught)
    assert found["ban"] == pytest.approx(7 * 36.0 / 3600)
    assert found["teacher"] == pytest.approx(7 * 1000.0 / 3600)
    assert found["wide"] == hours(plan)["wide"], "another network says nothing"


def test_measured_times_of_another_loss_are_scaled_by_operations() -> None:
    plan = plan_of()
    labels = MeasuredTraining(of_column(plan_of("seeds=[1]"), "teacher"), None, "cpu", seconds=40.0)
    counted = hours(plan)
    assert hours(plan, ONE_CORE, labels)["ban"] == pytest.approx(7 * 40 / 3600 * counted["ban"] / counted["teacher"])
    known = estimates(plan, {of_column(plan, "ban").id: 0}, ONE_CORE, data=DATA, storage=NO_STORAGE, measured=[labels])
    assert [estimate.measured for estimate in known.values()] == [True]


@pytest.mark.parametrize("override", ["recipe.batch_size=32", "resources.precision=bf16", "networks.0=wrn-10-2"])
def test_measured_times_of_other_conditions_say_nothing(override: str) -> None:
    plan = plan_of()
    other = MeasuredTraining(of_column(plan_of(override), "teacher"), None, "cpu", seconds=1e6)
    assert hours(plan, ONE_CORE, other) == hours(plan)
    assert not comparable_trainings([other], plan.generations.values())


def test_measured_times_of_another_device_say_nothing() -> None:
    plan = plan_of()
    on_gpu = MeasuredTraining(of_column(plan, "teacher"), None, "gpu", seconds=1e6)
    assert hours(plan, ONE_CORE, on_gpu) == hours(plan)
    assert hours(plan, ONE_GPU, on_gpu)["teacher"] == pytest.approx(7 * 1e6 / 3600)


def test_without_the_datas_size_only_the_same_training_says_something() -> None:
    plan = plan_of()
    ban = MeasuredTraining(of_column(plan_of("seeds=[1]"), "ban"), NARROW, "cpu", seconds=36.0)
    assert hours(plan, data=None) == {}
    found = hours(plan, ONE_CORE, ban, data=None)
    assert found == {"ban": pytest.approx(0.07), "ban-2": pytest.approx(0.07)}


def test_a_sweeps_cost_is_the_sum_and_its_longest_chain() -> None:
    plan = plan_of()
    unfinished = dict.fromkeys(list(plan.generations)[1:], 0)
    known = estimates(plan, unfinished, ONE_CORE, data=DATA, storage=NO_STORAGE)
    cost = total_cost(plan, unfinished, ONE_CORE, known, "fp32")
    by_column = hours(plan)
    assert cost.hours == pytest.approx(by_column["ban"] + by_column["wide"] + by_column["ban-2"])
    assert cost.critical_path_hours == pytest.approx(max(by_column["ban"] + by_column["ban-2"], by_column["wide"]))
    assert (cost.measured, cost.estimated, cost.rate) == (0, 3, 25e9)
    partly = total_cost(plan, unfinished, ONE_CORE, {}, "fp32")
    assert partly.hours is partly.critical_path_hours is None


SEARCH = """\
search:
  parameters: {recipe.learning_rate: {loguniform: [0.01, 0.3]}}
  candidates: 5
  sampler: random
  parallel: 2
"""


@pytest.mark.parametrize(("sampler", "rounds"), [("random", 1), ("tpe", 3)])
def test_a_search_trains_all_its_candidates(sampler: str, rounds: int) -> None:
    text = SWEEP + SEARCH.replace("random", sampler)
    plan = plan_of("data={kind: digits, validation: 100}", text=text)
    teacher = of_column(plan, "teacher")
    assert candidates_of(teacher) == 5
    assert candidates_of(of_column(plan_of(), "teacher")) == 1
    one = hours(plan_of())["teacher"]
    estimate = estimates(plan, {teacher.id: 3}, ONE_CORE, data=DATA, storage=NO_STORAGE)[teacher.id]
    assert estimate.device_hours == pytest.approx(5 * one)
    assert estimate.wall_hours == pytest.approx(rounds * one), "tpe takes two at a time"


def test_a_search_stores_its_winner_and_whom_else_it_keeps() -> None:
    plan = plan_of("data={kind: digits, validation: 100}", text=SWEEP + SEARCH)
    teacher = of_column(plan, "teacher")
    one = stored_bytes(teacher, DATA) / 1e9
    assert stored_gigabytes(plan, [teacher.id], DATA) == pytest.approx(one)
    assert stored_gigabytes(plan, [teacher.id], DATA, keep_all={teacher.id}) == pytest.approx(6 * one)


def test_what_is_stored_by_hand() -> None:
    plan = plan_of()
    teacher = of_column(plan, "teacher")
    # 77,562 parameters (tests/networks has them by formula), and 10 probabilities for each of 300 images.
    assert stored_bytes(teacher, DATA) == 4 * (77_562 + 300 * 10)
    assert stored_gigabytes(plan, [teacher.id], None) is None


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        (Resources(), [Placement("gpu", 1.0), Placement("cpu", 1)]),
        (Resources(gpus_per_worker=0, cpus_per_worker=4), [Placement("cpu", 1, cores=4)]),
        (Resources(gpus_per_worker=0.5, workers=1), [Placement("gpu", 0.5)]),
        (Resources(gpus_per_worker=1, compile=False), [Placement("gpu", 1.0, compiled=False)]),
        (Resources(gpus_per_worker=1, recompute=True), [Placement("gpu", 1.0, compiled=False)]),
        (Resources(gpus_per_worker=1, workers=4), [Placement("gpu", 4.0)]),
        (Resources(workers=3, cpus_per_worker=2), [Placement("gpu", 3.0), Placement("cpu", 3, cores=2)]),
    ],
)
def test_placements_are_what_resources_say(resources: Resources, expected: list[Placement]) -> None:
    assert list(placements(resources)) == expected


def test_without_a_word_it_is_where_most_trainings_ran() -> None:
    teacher = of_column(plan_of(), "teacher")
    cpu, gpu = MeasuredTraining(teacher, None, "cpu", 1.0), MeasuredTraining(teacher, None, "gpu", 1.0)
    assert placements(Resources(), [cpu]) == (ONE_CORE,)
    assert placements(Resources(), [cpu, gpu, gpu]) == (ONE_GPU,)
    assert placements(Resources(gpus_per_worker=1), [cpu]) == (ONE_GPU,)
