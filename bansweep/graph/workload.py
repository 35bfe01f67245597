"""How much work a generation's training is, in operations and layers, and its size in the store."""

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
    """What networks must read, and how many images or tokens of a data set a sweep uses.

    `evaluation` are evaluated after every epoch, `test` only at the end.
    """

    inputs: Images | Vocabulary
    training: int
    evaluation: int
    test: int


@dataclass(frozen=True)
class TeacherStorage:
    """Bytes for a language model teacher's outputs on the training text (`Resources.teacher_memory_gb`, ...)."""

    memory: float
    disk: float

    @classmethod
    def of_gigabytes(cls, memory: float, disk: float) -> TeacherStorage:
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
    generation: Generation, teacher: NetworkSpec | None, data: DataSize, storage: TeacherStorage
) -> int | None:
    """Multiply-adds of the whole training of a generation: the sum over `training_work`, and None like it."""
    work = training_work(generation, teacher, data, storage)
    return None if work is None else sum(part.operations for part in work)


def training_work(
    generation: Generation, teacher: NetworkSpec | None, data: DataSize, storage: TeacherStorage
) -> tuple[Work, ...] | None:
    """The work of the whole training of a generation, evaluation included; of one candidate where it is searched.
    None if user code makes the network or its teacher: its size is unknown.

    `teacher` is the teacher's network, None without one. The arithmetic of batch normalisation, activations, losses
    and the optimiser is not counted, nor what frozen shared layers save.
    """
    asked = None if generation.loss.teacher == "none" else teacher
    if not is_counted(generation.network) or (asked is not None and not is_counted(asked)):
        return None
    recipe = generation.recipe
    student = network_size(generation.network, data.inputs)
    # The rest after the last full batch, or from the division into streams, is skipped.
    samples = recipe.epochs * (data.training // recipe.batch_size * recipe.batch_size)
    evaluated = recipe.epochs * data.evaluation + _evaluated_once(generation, data)
    if isinstance(recipe, LanguageRecipe):
        steps = samples / recipe.batch_size
        return (
            _text_work(student, samples, time_steps=steps, window=recipe.window, trains=True),
            # Held-out text is one stream.
            _text_work(student, evaluated, time_steps=evaluated, window=recipe.window),
            *_language_teacher_work(asked, data, samples, recipe, storage),
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
    """`time_steps`: how many tokens of a stream the hidden state passes through, `window` at a time."""
    passes = _PASSES_OF_A_STEP if trains else 1
    return Work(
        operations=passes * tokens * size.operations,
        layers=ceil(time_steps / window) * size.layers,
        time_steps=ceil(time_steps) * size.recurrent_layers,
        trains=trains,
        fp32_operations=passes * tokens * size.recurrent_operations,
    )


def stored_bytes(generation: Generation, data: DataSize) -> int | None:
    """Approximate bytes of a finished generation in the store: weights, and predictions for held-out samples, in
    float32. None if user code makes the network."""
    if not is_counted(generation.network):
        return None
    inputs = data.inputs
    predictions = data.test * inputs.classes if isinstance(inputs, Images) else data.evaluation + data.test
    return _BYTES_OF_A_NUMBER * (network_size(generation.network, inputs).parameters + predictions)


def _evaluated_once(generation: Generation, data: DataSize) -> int:
    """A text's validation split is read once more, with the test split."""
    return data.test + (data.evaluation if isinstance(generation.recipe, LanguageRecipe) else 0)


def _language_teacher_work(
    teacher: NetworkSpec | None, data: DataSize, tokens: int, recipe: LanguageRecipe, storage: TeacherStorage
) -> tuple[Work, ...]:
    """The teacher's outputs are the same in every epoch: cached ones (`training/teacher_outputs.py`) are computed once.

    `tokens` are those of all epochs.
    """
    if teacher is None or not is_language_model(teacher) or not isinstance(data.inputs, Vocabulary):
        return ()
    vocabulary = data.inputs
    size = network_size(teacher, vocabulary)
    in_an_epoch = tokens // recipe.epochs
    whole = _text_work(size, in_an_epoch, time_steps=in_an_epoch / recipe.batch_size, window=recipe.window)
    if in_an_epoch * vocabulary.words * _BYTES_OF_A_LOGIT <= max(storage.memory, storage.disk):
        return (whole,)
    if in_an_epoch * teacher.units * _BYTES_OF_A_NUMBER <= storage.memory:
        again = (recipe.epochs - 1) * in_an_epoch
        decoder = NetworkSize(operations=teacher.units * vocabulary.words, layers=1)
        return whole, _text_work(decoder, again, time_steps=again / recipe.batch_size, window=recipe.window)
    return (_text_work(size, tokens, time_steps=tokens / recipe.batch_size, window=recipe.window),)
