"""What DKPP's permutation keeps, and what it leaves to chance."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from bansweep.losses.dkpp import permute_dark_knowledge

# Quantiles 0.999 of the chi-square distribution, by degrees of freedom, from a printed table.
CHI_SQUARE_999 = {5: 20.52, 35: 66.62}


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random_batch(samples: int, classes: int, seed: int) -> tuple[Tensor, Tensor]:
    probabilities_BC = (3 * torch.randn(samples, classes, generator=generator(seed))).softmax(dim=1)
    return probabilities_BC, torch.rand(samples, classes, generator=generator(seed + 1))


def chi_square(counts: Counter[tuple[int, ...]], outcomes: int) -> float:
    expected = sum(counts.values()) / outcomes
    missing = outcomes - len(counts)
    return sum((count - expected) ** 2 / expected for count in counts.values()) + missing * expected


def test_a_permutation_by_hand() -> None:
    # .5 stays in class 1. Of the others, by rising key: class 3 (.1), class 0 (.4), class 2 (.7).
    probabilities_BC = torch.tensor([[0.3, 0.5, 0.15, 0.05]])
    keys_BC = torch.tensor([[0.4, 0.0, 0.7, 0.1]])

    assert permute_dark_knowledge(probabilities_BC, keys_BC).tolist() == torch.tensor([[0.05, 0.5, 0.3, 0.15]]).tolist()


@settings(deadline=None, max_examples=60)
@given(samples=st.integers(1, 9), classes=st.integers(1, 12), seed=st.integers(0, 2**31))
def test_the_largest_stays_and_the_others_are_kept_within_their_sample(samples: int, classes: int, seed: int) -> None:
    probabilities_BC, keys_BC = random_batch(samples, classes, seed)

    permuted_BC = permute_dark_knowledge(probabilities_BC, keys_BC)

    for before, after in zip(probabilities_BC.tolist(), permuted_BC.tolist(), strict=True):
        place = before.index(max(before))
        assert after[place] == before[place]
        assert sorted(after) == sorted(before)


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**31))
def test_a_sample_depends_on_its_own_keys_only(seed: int) -> None:
    probabilities_BC, keys_BC = random_batch(6, 10, seed)
    reordered_B = torch.randperm(6, generator=generator(seed))

    permuted_BC = permute_dark_knowledge(probabilities_BC, keys_BC)

    assert torch.equal(
        permute_dark_knowledge(probabilities_BC[reordered_B], keys_BC[reordered_B]), permuted_BC[reordered_B]
    )
    assert torch.equal(permute_dark_knowledge(probabilities_BC[2:3], keys_BC[2:3]), permuted_BC[2:3])


def test_the_same_keys_give_the_same_permutation_and_leave_their_input_alone() -> None:
    probabilities_BC, keys_BC = random_batch(4, 10, seed=0)
    copies = probabilities_BC.clone(), keys_BC.clone()

    first_BC = permute_dark_knowledge(probabilities_BC, keys_BC)

    assert torch.equal(permute_dark_knowledge(probabilities_BC, keys_BC), first_BC)
    assert torch.equal(probabilities_BC, copies[0])
    assert torch.equal(keys_BC, copies[1])


def test_every_permutation_is_equally_likely_and_samples_are_independent() -> None:
    # The same distribution in every sample, so that where the three dark entries went shows the permutation.
    samples = 36_000
    probabilities_BC = torch.tensor([[0.1, 0.2, 0.6, 0.3]]).expand(samples, 4)
    keys_BC = torch.rand(samples, 4, generator=generator(0))

    permuted_BC = permute_dark_knowledge(probabilities_BC, keys_BC)
    seen = [tuple(round(10 * entry) for entry in row) for row in permuted_BC[:, [0, 1, 3]].tolist()]

    assert chi_square(Counter(seen), 6) < CHI_SQUARE_999[5]
    pairs = Counter(first + second for first, second in zip(seen[::2], seen[1::2], strict=True))
    assert chi_square(pairs, 36) < CHI_SQUARE_999[35]


def test_of_several_largest_the_first_stays() -> None:
    probabilities_BC = torch.tensor([[0.1, 0.4, 0.1, 0.4]]).expand(200, 4)
    keys_BC = torch.rand(200, 4, generator=generator(0))

    permuted_BC = permute_dark_knowledge(probabilities_BC, keys_BC)

    assert (permuted_BC[:, 1] == probabilities_BC[0, 1]).all()
    # The other of the two counts as dark, and goes everywhere else.
    others = permuted_BC[:, [0, 2, 3]]
    assert (others == probabilities_BC[0, 1]).sum(dim=1).eq(1).all()
    assert (others == probabilities_BC[0, 1]).any(dim=0).all()


def test_a_key_of_zero_at_the_largest_does_not_move_it() -> None:
    probabilities_BC = torch.tensor([[0.2, 0.3, 0.5]])

    for key in (0.0, 0.5, 1.0 - 2**-24):
        assert permute_dark_knowledge(probabilities_BC, torch.full((1, 3), key))[0, 2] == probabilities_BC[0, 2]


def test_keys_of_too_few_digits_are_refused() -> None:
    with pytest.raises(AssertionError, match="bfloat16"):
        permute_dark_knowledge(torch.ones(1, 3) / 3, torch.rand(1, 3).bfloat16())
