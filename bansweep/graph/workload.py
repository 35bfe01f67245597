"""How much work a generation's training is, in operations and layers, and what it leaves in the store."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from bansweep.config.networks import NetworkSpec, is_language_model
from bansweep.config.recipes import LanguageRecipe
from bansweep.graph.generation import Generation
from bansweep.graph.operations import Images, NetworkSize, Vocabulary, is_counted, network_size

GIGABYTE = 1e9

# Forward, and backward to weights and to inputs, each as much again.
_PASSES_OF_A_STEP = 3
_BYTES_OF_A_NUMBER = 4
_BYTES_OF_A_LOGIT = 2
# Images at a time on a GPU: `training/evaluation.py`, and of a teacher's table `training/target_table.py`.
_EVALUATION_BATCH = 500
_TEACHER_BATCH = 512


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


@dataclass(frozen=True)
class Work:
    """A part of a training whose batches are all computed in the same way.

    `operations`: multiply-adds in all, of which `fp32_operations` are in fp32 whatever the precision. `layers` and
    `time_steps`: how often a layer, and a time step of a recurrent layer, is computed for a batch. `trains`: backward
    and update follow each forward pass. `compilable`: torch.compile applies where it is on.
    """

    operations: int
    layers: int
    time_steps: int = 0
    trains: bool = False
    compilable: bool = False
    fp32_operations: int = 0


def training_operations(
    generation: Generation, teacher: NetworkSpec | None, data: DataSize, room: TeacherRoom
) -> int | None:
    """Multiply-adds of the whole training of a generation: the sum over `training_work`, and None like it."""
    work = training_work(generation, teacher, data, room)
    return None if work is None else sum(part.operations for part in work)


def training_work(
    generation: Generation, teacher: NetworkSpec | None, data: DataSize, room: TeacherRoom
) -> tuple[Work, ...] | None:
    """The work of the whole training of a generation, evaluation included; of one candidate where it is searched.
    None where a network of the user's own takes part, of which nobody knows.

    `teacher` is the network that teaches, None where nothing does. What batch normalisation, activations, losses and
    the optimiser compute is not counted as arithmetic, nor what shared layers that stay frozen save.
    """
    asked = None if generation.loss.teacher == "none" else teacher
    if not is_counted(generation.network) or (asked is not None and not is_counted(asked)):
        return None
    recipe = generation.recipe
    student = network_size(generation.network, data.inputs)
    # What is left over after the last whole batch, or by the division into streams, is skipped.
    samples = recipe.epochs * (data.training // recipe.batch_size * recipe.batch_size)
    evaluated = recipe.epochs * data.evaluation + _only_at_the_end(generation, data)
    if isinstance(recipe, LanguageRecipe):
        steps = samples / recipe.batch_size
        return (
            _text_work(student, samples, time_steps=steps, window=recipe.window, trains=True),
            # Held-out text is one stream.
            _text_work(student, evaluated, time_steps=evaluated, window=recipe.window),
            *_of_language_teacher(asked, data, samples, recipe, room),
        )
    work = [
        _image_work(student, samples, recipe.batch_size, trains=True),
        _image_work(student, evaluated, _EVALUATION_BATCH),
    ]
    if asked is not None:
        batch = recipe.batch_size if generation.loss.stage_outputs else _TEACHER_BATCH
        work.append(_image_work(network_size(asked, data.inputs), samples, batch))
    return tuple(work)


def _image_work(size: NetworkSize, images: int, batch_size: int, *, trains: bool = False) -> Work:
    passes = _PASSES_OF_A_STEP if trains else 1
    return Work(
        operations=passes * images * size.operations,
        layers=ceil(images / batch_size) * size.layers,
        trains=trains,
        compilable=trains,
    )


def _text_work(size: NetworkSize, tokens: int, *, time_steps: float, window: int, trains: bool = False) -> Work:
    """`time_steps`: through how many places of a stream the hidden state goes, `window` of them at a time."""
    passes = _PASSES_OF_A_STEP if trains else 1
    return Work(
        operations=passes * tokens * size.operations,
        layers=ceil(time_steps / window) * size.layers,
        time_steps=ceil(time_steps) * size.recurrent_layers,
        trains=trains,
        fp32_operations=passes * tokens * size.recurrent_operations,
    )


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
    teacher: NetworkSpec | None, data: DataSize, tokens: int, recipe: LanguageRecipe, room: TeacherRoom
) -> tuple[Work, ...]:
    """Its answers are the same in every epoch: what is kept (`training/teacher_outputs.py`) is computed once.

    `tokens` are those of all epochs.
    """
    if teacher is None or not is_language_model(teacher) or not isinstance(data.inputs, Vocabulary):
        return ()
    vocabulary = data.inputs
    size = network_size(teacher, vocabulary)
    in_an_epoch = tokens // recipe.epochs
    whole = _text_work(size, in_an_epoch, time_steps=in_an_epoch / recipe.batch_size, window=recipe.window)
    if in_an_epoch * vocabulary.words * _BYTES_OF_A_LOGIT <= max(room.memory, room.disk):
        return (whole,)
    if in_an_epoch * teacher.units * _BYTES_OF_A_NUMBER <= room.memory:
        again = (recipe.epochs - 1) * in_an_epoch
        decoder = NetworkSize(operations=teacher.units * vocabulary.words, layers=1)
        return whole, _text_work(decoder, again, time_steps=again / recipe.batch_size, window=recipe.window)
    return (_text_work(size, tokens, time_steps=tokens / recipe.batch_size, window=recipe.window),)
