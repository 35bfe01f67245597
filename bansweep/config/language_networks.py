"""What a sweep file may say of the language models: an LSTM over words, and one over what words are spelled with."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field

from bansweep.config.base import SpecModel
from bansweep.config.network_names import INTEGER, NUMBER, number_text

_LARGEST = 65_536

Widths = Annotated[tuple[Annotated[int, Field(ge=1, le=64)], ...], Field(min_length=1)]


class Lstm(SpecModel):
    """LSTM over words (Zaremba et al., 2014); the paper ties the input embedding and the output matrix.

    Dropout acts on embeddings, between layers and on what the decoder sees, never from one time step to the next.
    Weights begin uniform in +-`initial_range`. The paper's text has a single layer; its 52 million parameters are those
    of two.
    """

    name_pattern: ClassVar[str] = "lstm[-UNITS-LAYERS][-dropoutP][-untied][-rangeR]"

    kind: Literal["lstm"] = "lstm"
    units: int = Field(default=1500, ge=1, le=_LARGEST, description="of each layer, and of the word embedding")
    layers: int = Field(default=2, ge=1, le=64, description="LSTM layers")
    dropout: float = Field(default=0.65, ge=0, lt=1, description="probability, between layers and around them")
    tied: bool = Field(default=True, description="embedding and output matrix are one")
    initial_range: float = Field(
        default=0.04, gt=0, le=100, description="weights begin uniform between minus this and this"
    )

    @property
    def name(self) -> str:
        size = (self.units, self.layers)
        details = [
            "" if size == _default(Lstm, "units", "layers") else f"-{self.units}-{self.layers}",
            _option("dropout", self.dropout, 0.65),
            "" if self.tied else "-untied",
            _option("range", self.initial_range, 0.04),
        ]
        return f"lstm{''.join(details)}"

    @classmethod
    def from_name(cls, name: str) -> Self | None:
        """The network of a name such as `lstm-200-2-dropout0.2`; None for a name of another pattern.

        What the name leaves out is as in the paper's `lstm`.
        """
        match = re.fullmatch(rf"lstm(?:-{INTEGER}-{INTEGER})?(?:-dropout{NUMBER})?(-untied)?(?:-range{NUMBER})?", name)
        if match is None:
            return None
        units, layers, dropout, untied, initial_range = match.groups()
        fields = {"units": units, "layers": layers, "dropout": dropout, "initial_range": initial_range}
        given = {field: float(text) for field, text in fields.items() if text is not None}
        return cls.model_validate({**given, "tied": untied is None})


class CnnLstm(SpecModel):
    """LSTM over words that a convolutional network reads character by character (Kim et al., 2016; its large model).

    Convolutions of `widths` characters give min(`most_maps`, width * `maps_per_width`) features each, the largest of
    each word's; `highway` layers follow.
    """

    name_pattern: ClassVar[str] = (
        "cnn-lstm[-UNITS-LAYERS][-dropoutP][-rangeR][-charactersN][-widthsN.N...][-mapsN][-mostN][-highwayN]"
    )

    kind: Literal["cnn-lstm"] = "cnn-lstm"
    units: int = Field(default=650, ge=1, le=_LARGEST, description="of each LSTM layer")
    layers: int = Field(default=2, ge=1, le=64, description="LSTM layers")
    dropout: float = Field(default=0.5, ge=0, lt=1, description="probability, between layers and around them")
    initial_range: float = Field(
        default=0.05, gt=0, le=100, description="weights begin uniform between minus this and this"
    )
    character_embedding: int = Field(default=15, ge=1, le=4096, description="dimensions of a character's embedding")
    widths: Widths = Field(default=(1, 2, 3, 4, 5, 6, 7), description="of the convolutions, in characters")
    maps_per_width: int = Field(
        default=50, ge=1, le=4096, description="features of a convolution for each character of its width"
    )
    most_maps: int = Field(default=200, ge=1, le=_LARGEST, description="features of a convolution at most")
    highway: int = Field(default=2, ge=0, le=64, description="highway layers between convolutions and LSTM")

    @property
    def maps(self) -> tuple[int, ...]:
        """Features that the convolution of each width gives."""
        return tuple(min(self.most_maps, width * self.maps_per_width) for width in self.widths)

    @property
    def name(self) -> str:
        size = (self.units, self.layers)
        widths = "" if self.widths == (1, 2, 3, 4, 5, 6, 7) else f"-widths{'.'.join(map(str, self.widths))}"
        details = [
            "" if size == _default(CnnLstm, "units", "layers") else f"-{self.units}-{self.layers}",
            _option("dropout", self.dropout, 0.5),
            _option("range", self.initial_range, 0.05),
            _option("characters", self.character_embedding, 15),
            widths,
            _option("maps", self.maps_per_width, 50),
            _option("most", self.most_maps, 200),
            _option("highway", self.highway, 2),
        ]
        return f"cnn-lstm{''.join(details)}"

    @classmethod
    def from_name(cls, name: str) -> Self | None:
        """The network of a name such as `cnn-lstm-100-1-maps10`; None for a name of another pattern.

        What the name leaves out is as in the paper's `cnn-lstm`.
        """
        match = re.fullmatch(
            rf"cnn-lstm(?:-{INTEGER}-{INTEGER})?(?:-dropout{NUMBER})?(?:-range{NUMBER})?(?:-characters{INTEGER})?"
            rf"(?:-widths([0-9]+(?:\.[0-9]+)*))?(?:-maps{INTEGER})?(?:-most{INTEGER})?(?:-highway{INTEGER})?",
            name,
        )
        if match is None:
            return None
        fields = [field for field in cls.model_fields if field != "kind"]  # in the name's order
        given = {field: text for field, text in zip(fields, match.groups(), strict=True) if text is not None}
        values = {field: float(text) for field, text in given.items() if field != "widths"}
        widths = {"widths": [int(width) for width in given["widths"].split(".")]} if "widths" in given else {}
        return cls.model_validate({**values, **widths})


def _default(model: type[SpecModel], *fields: str) -> tuple[object, ...]:
    return tuple(model.model_fields[field].default for field in fields)


def _option(word: str, value: float, default: float) -> str:
    return "" if value == default else f"-{word}{number_text(value)}"
