"""How large a network is and how much arithmetic it takes, by formula: without building it, and so without PyTorch.

Multiply-adds are counted as in `networks/counting.py`, which counts them on the real network; tests compare the two:
those of convolutions (places in the padding included) and of linear and recurrent layers, for one image or token.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from math import ceil
from typing import Literal, assert_never

from bansweep.config.networks import (
    CnnLstm,
    DenseNet,
    LanguageNetworkSpec,
    Lstm,
    NetworkSpec,
    PreResNet,
    ResidualStudent,
    StagedNetworkSpec,
    UserNetwork,
    WideResNet,
)

# A word is read as far as this many characters, and always with a mark before and after it: `networks/cnn_lstm.py`.
LONGEST_WORD = 63
_MARKS = 2
_PADDING = 1


@dataclass(frozen=True)
class Images:
    """What an image network is built for: images of this shape in pixels, and the number of `classes`."""

    channels: int
    height: int
    width: int
    classes: int


@dataclass(frozen=True)
class Vocabulary:
    """What a language model is built for: so many `words`, spelled with so many different `characters`.

    `longest` is the length of the longest word; only models that read spellings ask for it and for `characters`.
    """

    words: int
    characters: int
    longest: int


@dataclass(frozen=True)
class NetworkSize:
    """`operations` are multiply-adds of a forward pass for one image or token; `parameters` what is learnt.

    `layers` counts convolutions, normalisations and linear layers, each of which takes kernels of its own for a batch;
    `recurrent_layers` counts LSTM layers, which take theirs for each time step. They compute `recurrent_operations` of
    the operations, in fp32 whatever the precision (`networks/language_model.py`).
    """

    operations: int = 0
    parameters: int = 0
    layers: int = 0
    recurrent_layers: int = 0
    recurrent_operations: int = 0

    def __add__(self, other: NetworkSize) -> NetworkSize:
        return NetworkSize(
            self.operations + other.operations,
            self.parameters + other.parameters,
            self.layers + other.layers,
            self.recurrent_layers + other.recurrent_layers,
            self.recurrent_operations + other.recurrent_operations,
        )


@cache
def network_size(spec: NetworkSpec, inputs: Images | Vocabulary) -> NetworkSize:
    """The size of a network. Raises ValueError if it does not read such inputs, or is not counted."""
    if isinstance(spec, LanguageNetworkSpec) and isinstance(inputs, Vocabulary):
        return _language_model_size(spec, inputs)
    if isinstance(spec, StagedNetworkSpec) and isinstance(inputs, Images):
        return _image_network_size(spec, inputs)
    raise ValueError(f"{spec.name} cannot read {inputs}")


def is_counted(spec: NetworkSpec) -> bool:
    """Whether `network_size` knows the network: not if user code makes it."""
    return not isinstance(spec, UserNetwork)


def _image_network_size(spec: StagedNetworkSpec, images: Images) -> NetworkSize:
    grid = _Grid(images.height, images.width)
    stem = _convolution(images.channels, spec.stem_channels, grid, kernel=3)
    channels = spec.stage_channels[2]
    classifier = _normalisation(channels) + _linear(channels, images.classes)
    return _total([stem, _stages(spec, grid), classifier])


def _language_model_size(spec: LanguageNetworkSpec, vocabulary: Vocabulary) -> NetworkSize:
    """Looking a word up in a table costs no operations."""
    match spec:
        case Lstm():
            # Tied, it is the output matrix.
            embedding = NetworkSize(parameters=0 if spec.tied else vocabulary.words * spec.units)
            features = spec.units
        case CnnLstm():
            embedding = _spelling_network(spec, vocabulary)
            features = sum(spec.maps)
        case _:
            assert_never(spec)
    layers = [_lstm_layer(inputs, spec.units) for inputs in (features, *[spec.units] * (spec.layers - 1))]
    return _total([embedding, *layers, _linear(spec.units, vocabulary.words)])


@dataclass(frozen=True)
class _Grid:
    """The resolution of features, in pixels."""

    height: int
    width: int

    @property
    def pixels(self) -> int:
        return self.height * self.width

    def strided(self, stride: int) -> _Grid:
        """After a padded convolution with a stride."""
        return _Grid(ceil(self.height / stride), ceil(self.width / stride))

    def pooled(self) -> _Grid:
        """After pooling over 2x2 pixels, which drops an odd last row or column."""
        return _Grid(self.height // 2, self.width // 2)


def _stages(spec: StagedNetworkSpec, grid: _Grid) -> NetworkSize:
    match spec:
        case WideResNet():
            return _strided_stages("basic", (spec.depth - 4) // 6, spec.stem_channels, spec.stage_channels, grid)
        case PreResNet():
            return _strided_stages("bottleneck", (spec.depth - 2) // 9, spec.stem_channels, spec.stage_channels, grid)
        case DenseNet():
            return _dense_stages(spec, grid)
        case ResidualStudent():
            return _student_stages(spec, grid)
        case _:
            assert_never(spec)


def _strided_stages(
    block: Literal["basic", "bottleneck"], blocks: int, stem: int, stages: tuple[int, int, int], grid: _Grid
) -> NetworkSize:
    """Three stages of residual blocks, of which the second and the third begin with a stride of 2."""
    total = NetworkSize()
    for (inputs, outputs), stride in zip(pairwise((stem, *stages)), (1, 2, 2), strict=True):
        grid = grid.strided(stride)
        first = _residual_block(block, inputs, outputs, grid, strided=stride != 1)
        total += first + _times(blocks - 1, _residual_block(block, outputs, outputs, grid))
    return total


def _residual_block(
    block: Literal["basic", "bottleneck"], inputs: int, outputs: int, grid: _Grid, *, strided: bool = False
) -> NetworkSize:
    """`grid` is that of the block's output: a stride is in the first convolution."""
    changes = inputs != outputs or strided
    shortcut = _convolution(inputs, outputs, grid, kernel=1) if changes else NetworkSize()
    if block == "basic":
        convolutions = [
            _convolution(inputs, outputs, grid, kernel=3),
            _normalisation(outputs),
            _convolution(outputs, outputs, grid, kernel=3),
        ]
    else:
        inner = max(1, round(outputs / 4))
        convolutions = [
            _convolution(inputs, inner, grid, kernel=1),
            _normalisation(inner),
            _convolution(inner, inner, grid, kernel=3),
            _normalisation(inner),
            _convolution(inner, outputs, grid, kernel=1),
        ]
    return _total([_normalisation(inputs), *convolutions, shortcut])


def _dense_stages(spec: DenseNet, grid: _Grid) -> NetworkSize:
    """Blocks of units that each add `growth` channels; the transition after a block pools before it convolves."""
    total = NetworkSize()
    channels = spec.stem_channels
    bottleneck = 4 * spec.growth
    for stage, outputs in enumerate(spec.stage_channels):
        for _ in range(spec.units):
            total += _normalisation(channels) + _convolution(channels, bottleneck, grid, kernel=1)
            total += _normalisation(bottleneck) + _convolution(bottleneck, spec.growth, grid, kernel=3)
            channels += spec.growth
        if stage < 2 or spec.final_transition:
            grid = grid.pooled() if stage < 2 else grid
            total += _normalisation(channels) + _convolution(channels, outputs, grid, kernel=1)
            channels = outputs
    return total


def _student_stages(spec: ResidualStudent, grid: _Grid) -> NetworkSize:
    """Residual blocks without strides between a DenseNet's transitions."""
    total = NetworkSize()
    channels = spec.stem_channels
    for stage, (width, outputs) in enumerate(zip(spec.block_channels, spec.stage_channels, strict=True)):
        total += _residual_block(spec.block, channels, width, grid)
        total += _times(spec.blocks - 1, _residual_block(spec.block, width, width, grid))
        grid = grid.pooled() if stage < 2 else grid
        total += _normalisation(width) + _convolution(width, outputs, grid, kernel=1)
        channels = outputs
    return total


def _spelling_network(spec: CnnLstm, vocabulary: Vocabulary) -> NetworkSize:
    """From a word's characters to its features. Every word is padded to the longest one of the vocabulary."""
    places = max(min(vocabulary.longest, LONGEST_WORD) + _MARKS, *spec.widths)
    total = NetworkSize(parameters=(vocabulary.characters + _MARKS + _PADDING) * spec.character_embedding)
    for width, maps in zip(spec.widths, spec.maps, strict=True):
        weights = spec.character_embedding * width * maps
        total += NetworkSize(weights * (places - width + 1), weights + maps, layers=1)
    features = sum(spec.maps)
    return total + _times(2 * spec.highway, _linear(features, features))


def _lstm_layer(inputs: int, units: int) -> NetworkSize:
    """Four gates, each from the layer's input and from its own hidden state; PyTorch's have two biases each."""
    weights = 4 * units * (inputs + units)
    return NetworkSize(weights, weights + 2 * 4 * units, recurrent_layers=1, recurrent_operations=weights)


def _convolution(inputs: int, outputs: int, grid: _Grid, *, kernel: int) -> NetworkSize:
    """A convolution without bias; `grid` is that of its output."""
    weights = inputs * outputs * kernel**2
    return NetworkSize(weights * grid.pixels, weights, layers=1)


def _linear(inputs: int, outputs: int) -> NetworkSize:
    return NetworkSize(inputs * outputs, inputs * outputs + outputs, layers=1)


def _normalisation(channels: int) -> NetworkSize:
    return NetworkSize(parameters=2 * channels, layers=1)


def _times(number: int, size: NetworkSize) -> NetworkSize:
    return NetworkSize(
        number * size.operations,
        number * size.parameters,
        number * size.layers,
        number * size.recurrent_layers,
        number * size.recurrent_operations,
    )


def _total(sizes: Iterable[NetworkSize]) -> NetworkSize:
    return sum(sizes, NetworkSize())
