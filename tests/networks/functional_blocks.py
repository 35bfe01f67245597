"""Residual networks as functions of their weights, written from the papers and with torch.nn.functional only."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, batch_norm, conv2d, linear, relu

from bansweep.networks.image_network import StagedNetwork

Weights = Mapping[str, Tensor]


def randomised(network: StagedNetwork) -> StagedNetwork:
    """The network in float64, with batch normalisation and biases that are nowhere trivial."""
    torch.manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 2.0)
            nn.init.normal_(module.bias)
            nn.init.normal_(module.running_mean)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
    nn.init.normal_(network.classifier.bias)
    return network.double()


def conv(features_BKHW: Tensor, weight: Tensor, stride: int = 1) -> Tensor:
    """A convolution that keeps the resolution but for its stride."""
    return conv2d(features_BKHW, weight, stride=stride, padding=weight.shape[-1] // 2)


def activation(features_BKHW: Tensor, weights: Weights, norm: str, *, training: bool) -> Tensor:
    mean, variance = weights[f"{norm}.running_mean"].clone(), weights[f"{norm}.running_var"].clone()
    scale, shift = weights[f"{norm}.weight"], weights[f"{norm}.bias"]
    return relu(batch_norm(features_BKHW, mean, variance, scale, shift, training=training))


def basic_block(features_BKHW: Tensor, weights: Weights, name: str, *, projected: bool, training: bool) -> Tensor:
    activated = activation(features_BKHW, weights, f"{name}.norm1", training=training)
    residual = conv(activated, weights[f"{name}.conv1.weight"])
    residual = conv(
        activation(residual, weights, f"{name}.norm2", training=training),
        weights[f"{name}.conv2.weight"],
    )
    shortcut = conv(activated, weights[f"{name}.projection.weight"]) if projected else features_BKHW
    return shortcut + residual


def bottleneck_block(
    features_BKHW: Tensor, weights: Weights, name: str, *, stride: int = 1, projected: bool, training: bool
) -> Tensor:
    activated = activation(features_BKHW, weights, f"{name}.norm1", training=training)
    residual = conv(activated, weights[f"{name}.conv1.weight"], stride)
    for layer in (2, 3):
        residual = activation(residual, weights, f"{name}.norm{layer}", training=training)
        residual = conv(residual, weights[f"{name}.conv{layer}.weight"])
    shortcut = conv(activated, weights[f"{name}.projection.weight"], stride) if projected else features_BKHW
    return shortcut + residual


def transition(features_BKHW: Tensor, weights: Weights, name: str, *, pool: bool, training: bool) -> Tensor:
    """In DenseNet's order: the pooling comes after the convolution."""
    features_BKHW = activation(features_BKHW, weights, f"{name}.norm", training=training)
    features_BKHW = conv(features_BKHW, weights[f"{name}.conv.weight"])
    return avg_pool2d(features_BKHW, 2) if pool else features_BKHW


def classified(features_BKHW: Tensor, weights: Weights, *, training: bool) -> Tensor:
    mean_BK = activation(features_BKHW, weights, "norm", training=training).mean(dim=(2, 3))
    return linear(mean_BK, weights["classifier.weight"], weights["classifier.bias"])
