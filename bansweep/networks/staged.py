"""What every network here has in common: a first convolution, three stages, and a classifier of their mean.

    image -> stem -> stage -> stage -> stage -> BN, ReLU, mean over pixels -> linear

Shape suffixes: B batch, K channels, H W pixels, C classes.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import relu

from bansweep.networks.image_network import ImageNetwork
from bansweep.networks.initialisation import initialise
from bansweep.networks.stage import Stage


class StagedNetwork(ImageNetwork):
    """A network for images (B, K, H, W); gives logits (B, `classes`).

    `channels` is what the last stage gives. Subclasses build `stem` and `stages`, in this order, and hand them over:
    random weights are drawn as modules are made, so that the order is part of what a seed means.
    """

    def __init__(self, stem: nn.Conv2d, stages: nn.Sequential, *, channels: int, classes: int) -> None:
        assert len(stages) == 3, f"a network has three stages, not {len(stages)}"
        super().__init__()
        self.stem = stem
        self.stages = stages
        self.norm = nn.BatchNorm2d(channels)
        self.classifier = nn.Linear(channels, classes)
        initialise(self)

    def recompute_activations(self) -> None:
        """From now on compute each unit's activations again in the backward pass of training rather than keep them."""
        for stage in self.stages:
            assert isinstance(stage, Stage)
            stage.recompute = True

    def forward(self, images_BKHW: Tensor) -> Tensor:
        return self._classified(self.stages(self.stem(images_BKHW)))

    def forward_with_stages(self, images_BKHW: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """The logits (B, C), and the features (B, K, H, W) after each stage.

        Features are what a stage gives to the next one, before any activation. They stay as they are: what follows
        works in place on outputs of its own only. Not in `forward`, since it keeps all features alive.
        """
        features_BKHW: Tensor = self.stem(images_BKHW)
        outputs = []
        for stage in self.stages:
            features_BKHW = stage(features_BKHW)
            outputs.append(features_BKHW)
        return self._classified(features_BKHW), tuple(outputs)

    def _classified(self, features_BKHW: Tensor) -> Tensor:
        activated_BKHW = relu(self.norm(features_BKHW), inplace=True)
        logits_BC: Tensor = self.classifier(activated_BKHW.mean(dim=(2, 3)))
        return logits_BC
