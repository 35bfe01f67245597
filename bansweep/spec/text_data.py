"""Texts for language models: one sentence a line, words separated by blanks, in a file for each split."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from bansweep.spec.model import SpecModel


class _Tokens(SpecModel):
    """How much of a text is used, in tokens: words, and the `<eos>` after each line.

    A window needs a token and the one after it, so two are the fewest. Texts bring a validation split of their own.
    """

    limit: int | None = Field(default=None, ge=2, description="training tokens used, the first ones; all by default")
    test_limit: int | None = Field(
        default=None, ge=2, description="validation and test tokens used, the first ones of each; all by default"
    )


class PennTreebank(_Tokens):
    """The Penn Treebank as Mikolov et al. (2010) preprocessed it: ptb.train.txt, ptb.valid.txt and ptb.test.txt."""

    kind: Literal["ptb"] = "ptb"
    root: Path | None = Field(
        default=None, description="the folder with its files; else `BANSWEEP_DATA`, else they are downloaded"
    )


class WikiText2(_Tokens):
    """WikiText-2 (Merity et al., 2016): wiki.train.tokens, wiki.valid.tokens and wiki.test.tokens."""

    kind: Literal["wikitext-2"] = "wikitext-2"
    root: Path | None = Field(default=None, description="the folder with its files; else `BANSWEEP_DATA`")


class TextFiles(_Tokens):
    """Any text in that form: the three files are named."""

    kind: Literal["text"] = "text"
    train: Path = Field(description="the training text")
    validation: Path = Field(description="the validation text")
    test: Path = Field(description="the test text")


TextSpec = PennTreebank | WikiText2 | TextFiles
