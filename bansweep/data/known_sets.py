"""Published data sets with pinned fingerprints: planning needs none of their files, and decoded content is checked."""

from __future__ import annotations

from dataclasses import dataclass

from bansweep.data.sentences import text_fingerprint
from bansweep.data.splits import TokenCounts


@dataclass(frozen=True)
class KnownSet:
    """A published image set. `fingerprint` is `decoded.content_fingerprint` of the decoded images."""

    title: str
    fingerprint: str
    training_images: int
    test_images: int


@dataclass(frozen=True)
class KnownText:
    """A published text. `digests` are `sentences.text_digest` of its training, validation and test file."""

    title: str
    digests: tuple[str, str, str]
    tokens: TokenCounts

    @property
    def fingerprint(self) -> str:
        return text_fingerprint(self.digests)


KNOWN_SETS = {
    "digits": KnownSet(
        "scikit-learn's digits", "9e6302438ed11c94d94a9593ec24dc9213b5b11f9f9ed76072f210b6fedcb9c4", 1_437, 360
    ),
    "cifar10": KnownSet("CIFAR-10", "e97f196120aad13a9d4ea9bfc9dcd81695de07015f92d3f1c6e911bb6e30ab56", 50_000, 10_000),
    "cifar100": KnownSet(
        "CIFAR-100", "bb7db61b47e73357f22196af12080d231d11ac370b341987301886ff72f60884", 50_000, 10_000
    ),
}

PENN_TREEBANK = KnownText(
    "the Penn Treebank as Mikolov preprocessed it",
    (
        "5145926136ee9aef6f359b267ac09cc8a920879cd71725de17c490dd111d2998",
        "fadf6277290823f881b7bf39b84e88536c87a859cd629dcfd1d2dfdef06097cf",
        "c2f8c16a611595d31da5acdb7a61d50e7d5e95f6b9c05fceda5f5ddc4383e791",
    ),
    TokenCounts(929_589, 73_760, 82_430),
)

# As published. Not pinned: the identity of WikiText-2 is the content of its files.
WIKITEXT_2_TOKENS = TokenCounts(2_088_628, 217_646, 245_569)
