"""How much arithmetic a generation's training takes, and what it leaves in the store."""

from __future__ import annotations

from dataclasses import dataclass

from bansweep.plan.generation import Generation
from bansweep.plan.operations import Images, Vocabulary, is_counted, network_size
from bansweep.spec.losses import needs_teacher
from bansweep.spec.networks import LanguageNetworkSpec, NetworkSpec, is_language_model
from bansweep.spec.recipes import LanguageRecipe

GIGABYTE = 1e9

# Forward, and backward to weights and to inputs, each as much again.
_PASSES_OF_A_STEP = 3
_BYTES_OF_A_NUMBER = 4
_BYTES_OF_A_LOGIT = 2


@dataclass(frozen=True)
class DataSize:
    """What a data set asks of networks, and how many images or tokens a sweep uses of it.

    `evaluation` are those that every epoch is measured on, `test` those of the end alone.
    """

    inputs: Images | Vocabulary
    training: int
    evaluation: int
    test: int


@dataclass(frozen=True)
class TeacherRoom:
    """Bytes for what a language model's teacher says of the training text (`Resources.teacher_memory_gb`, ...)."""

    memory: float
    disk: float

    @classmethod
    def of_gigabytes(cls, memory: float, disk: float) -> TeacherRoom:
        return cls(memory * GIGABYTE, disk * GIGABYTE)


def training_operations(
    generation: Generation, teacher: NetworkSpec | None, data: DataSize, room: TeacherRoom
) -> int | None:
    """Multiply-adds of the whole training of a generation, evaluation included; of one candidate where it is searched.
    None where a network of the user's own takes part, of which nobody knows.

    `teacher` is the network that teaches, None where nothing does. What batch normalisation, activations, losses and
    the optimiser compute is not counted, nor what shared layers that stay frozen save.
    """
    asked = teacher if needs_teacher(generation.loss) else None
    if not is_counted(generation.network) or (asked is not None and not is_counted(asked)):
        return None
    recipe = generation.recipe
    student = network_size(generation.network, data.inputs).operations
    # What is left over after the last whole batch, or by the division into streams, sits an epoch out.
    samples = data.training // recipe.batch_size * recipe.batch_size
    total = recipe.epochs * student * (_PASSES_OF_A_STEP * samples + data.evaluation)
    total += student * _only_at_the_end(generation, data)
    if asked is None:
        return total
    if is_language_model(asked) and isinstance(data.inputs, Vocabulary):
        return total + _of_language_teacher(asked, data.inputs, samples, recipe.epochs, room)
    return total + recipe.epochs * samples * network_size(asked, data.inputs).operations


def stored_bytes(generation: Generation, data: DataSize) -> int | None:
    """What a finished generation takes in the store, nearly: weights, and answers to held-out samples, in float32. None
    where the network is the user's own."""
    if not is_counted(generation.network):
        return None
    inputs = data.inputs
    answers = data.test * inputs.classes if isinstance(inputs, Images) else data.evaluation + data.test
    return _BYTES_OF_A_NUMBER * (network_size(generation.network, inputs).parameters + answers)


def _only_at_the_end(generation: Generation, data: DataSize) -> int:
    """A text's validation split is read once more, with the test split."""
    return data.test + (data.evaluation if isinstance(generation.recipe, LanguageRecipe) else 0)


def _of_language_teacher(
    teacher: LanguageNetworkSpec, vocabulary: Vocabulary, tokens: int, epochs: int, room: TeacherRoom
) -> int:
    """Its answers are the same in every epoch: what is kept (`training/teacher_outputs.py`) is computed once."""
    whole = network_size(teacher, vocabulary).operations
    decoder = teacher.units * vocabulary.words
    if tokens * vocabulary.words * _BYTES_OF_A_LOGIT <= max(room.memory, room.disk):
        return tokens * whole
    if tokens * teacher.units * _BYTES_OF_A_NUMBER <= room.memory:
        return tokens * (whole + (epochs - 1) * decoder)
    return tokens * epochs * whole
