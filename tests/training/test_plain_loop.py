"""Training as anyone would write it down, image by image, against the project's: their loss curves are equal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torchvision.transforms.v2 import functional as transforms

from bansweep.config.recipes import Augmentation
from bansweep.data.augmentation import draw_views, epoch_order
from bansweep.data.datasets import ImageData
from bansweep.graph.generation import Generation, derived_seed
from bansweep.networks.build import build_network
from bansweep.training.image_run import ImageRun
from bansweep.training.teacher import Teacher

Make = Callable[..., Generation]
EPOCHS, BATCH = 3, 32
REFLECTED = Augmentation(pad=2, fill="reflect", flip=True)
BLACK = Augmentation(pad=2, fill="zero", flip=True)


def plain_curve(generation: Generation, data: ImageData, teacher: nn.Module | None) -> list[float]:
    """The mean loss of each epoch: torchvision's transforms, contiguous tensors, PyTorch's losses, a teacher asked anew
    in every step. Only the random draws are the project's: order, views and first weights.
    """
    augmentation: Any = generation.recipe.augmentation  # type: ignore[union-attr]
    torch.manual_seed(derived_seed(generation.seed, "weights"))
    network: Any = generation.network
    student = build_network(network, input_shape=data.input_shape, classes=len(data.classes)).train()
    rate = generation.recipe.learning_rate
    optimizer = torch.optim.SGD(student.parameters(), rate, momentum=0.9, nesterov=True, weight_decay=5e-4)
    curve = []
    for epoch in range(1, EPOCHS + 1):
        views = draw_views(augmentation, len(data.train), generation.seed, epoch)
        for group in optimizer.param_groups:  # to a fifth after 30, 60 and 80 % of the epochs, at an epoch's end
            group["lr"] = rate * 0.2 ** sum(epoch - 1 >= EPOCHS * fraction for fraction in (0.3, 0.6, 0.8))
        losses = []
        for batch in epoch_order(len(data.train), generation.seed, epoch).split(BATCH):
            images = []
            for index in batch.tolist():
                image_KHW = torch.tensor(data.train.images_NHWC[index]).permute(2, 0, 1)
                mode = "reflect" if augmentation.fill == "reflect" else "constant"
                image_KHW = transforms.pad(image_KHW, [augmentation.pad], padding_mode=mode)
                _, height, width = data.input_shape
                image_KHW = transforms.crop(image_KHW, int(views.dy_N[index]), int(views.dx_N[index]), height, width)
                if views.flip_N[index]:
                    image_KHW = transforms.horizontal_flip(image_KHW)
                image_KHW = transforms.to_dtype(image_KHW, torch.float32, scale=True)
                images.append(transforms.normalize(image_KHW, list(data.mean), list(data.std)))
            images_BKHW, labels_B = torch.stack(images), torch.tensor(data.train.labels_N[batch.numpy()])
            loss = plain_loss(generation.loss.kind, student(images_BKHW), labels_B, teacher, images_BKHW)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(float(loss.detach()))
        curve.append(sum(losses) / len(losses))
    return curve


def plain_loss(
    kind: str, student_logits_BC: Tensor, labels_B: Tensor, teacher: nn.Module | None, images_BKHW: Tensor
) -> Tensor:
    with_labels = nn.functional.cross_entropy(student_logits_BC, labels_B)
    if kind == "labels":
        return with_labels
    assert teacher is not None
    with torch.no_grad():
        teacher_BC = teacher(images_BKHW).softmax(dim=1)
    with_teacher = nn.functional.cross_entropy(student_logits_BC, teacher_BC)
    return with_teacher if kind == "kd" else with_teacher + with_labels


@pytest.mark.parametrize("augmentation", [REFLECTED, BLACK], ids=["reflected", "black"])
@pytest.mark.parametrize("loss", ["labels", "kd", "kd+labels"])
def test_the_loss_curve_is_that_of_a_plain_loop(
    loss: str, augmentation: Augmentation, make_generation: Make, digits: ImageData, teacher: Teacher
) -> None:
    generation = make_generation(
        loss=loss,
        teacher=None if loss == "labels" else "t",
        epochs=EPOCHS,
        batch_size=BATCH,
        learning_rate=0.01,
        augmentation=augmentation,
    )
    own = [report.metrics["train_loss"] for report in ImageRun(generation, digits, teacher=teacher).epochs()]
    plain = plain_curve(generation, digits, teacher.network)
    # Teacher targets are kept in 16 bits, of which eleven count.
    assert own[0] == pytest.approx(plain[0], rel=1e-5 if loss == "labels" else 2e-4)
    assert own == pytest.approx(plain, rel=1e-4 if loss == "labels" else 1e-3)
