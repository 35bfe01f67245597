"""A network of the user's own, as training sees it."""

from __future__ import annotations

from torch import Tensor, nn

from bansweep.networks.image_network import ImageNetwork
from bansweep.own_code.running import failure, own_function, wrong_result
from bansweep.spec.networks import OwnNetwork as OwnNetworkSpec


class OwnNetwork(ImageNetwork):
    """The module that the user's code makes; what goes wrong in it is told with the user's file and line."""

    def __init__(self, spec: OwnNetworkSpec, *, input_shape: tuple[int, int, int], classes: int) -> None:
        super().__init__()
        network = own_function(spec)(input_shape, classes)
        if not isinstance(network, nn.Module):
            raise wrong_result(spec.code, "a torch.nn.Module", type(network).__name__)
        self.network = network
        self.code = spec.code
        self._classes = classes

    def forward(self, images_BKHW: Tensor) -> Tensor:
        try:
            logits_BC = self.network(images_BKHW)
        except Exception as error:
            raise failure(self.code, error) from error
        expected = (len(images_BKHW), self._classes)
        if not isinstance(logits_BC, Tensor) or tuple(logits_BC.shape) != expected:
            got = tuple(logits_BC.shape) if isinstance(logits_BC, Tensor) else type(logits_BC).__name__
            raise wrong_result(self.code, f"a module that gives logits of shape {expected}", got)
        return logits_BC

    def forward_with_stages(self, images_BKHW: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        return self(images_BKHW), ()

    def recompute_activations(self) -> None:
        """Nothing: only whoever wrote it knows where."""
