"""How long a GPU takes for a part of a training: by arithmetic, or by the number of kernels, whichever takes longer.

Small networks do not keep a GPU busy: the host needs a few microseconds to launch each kernel, and the GPU needs a few
to run even the smallest. The constants are estimates for one H200 (bf16, a batch of 128) and have not been measured.
They are chosen so that a step of WRN-28-1, which has 53 layers, takes what is expected of it: 3 to 4 ms eager, 1 to 1.5
ms compiled, of which the device is busy for 0.6 to 1 ms.
"""

from __future__ import annotations

from bansweep.plan.workload import Work

# By PyTorch from Python, and by Triton's launcher or cuDNN: published figures lie between 4 and 6 µs.
LAUNCH_S = 5e-6
# A kernel with next to nothing to do.
_SMALLEST_KERNEL_S = 3.5e-6

# Kernels of a layer (a convolution, normalisation or linear layer) in a step: forward, backward to inputs and weights,
# and the update. Eager PyTorch also launches casts, activations, sums of gradients and zeroing one by one.
_KERNELS_OF_A_LAYER = 4
_EAGER_LAUNCHES_OF_A_LAYER = 12
# cuDNN's for one time step of a recurrent layer: a product and the gates, forward and backward.
_KERNELS_OF_A_TIME_STEP = 4
# A forward pass alone: backward to inputs and to weights takes as much again each.
_FORWARD = 1 / 3


def gpu_seconds(work: Work, *, arithmetic_s: float, gpus: float, compiled: bool) -> float:
    """Seconds that `work` takes on `gpus` GPUs: a part of one, or one for each of several workers.

    `arithmetic_s` is the duration of its arithmetic on one GPU. Workers share the arithmetic of a batch, but each
    launches the kernels of all layers. Processes that share a GPU launch side by side, but their kernels run in turn.
    """
    share = min(1.0, gpus)
    passes = 1.0 if work.trains else _FORWARD
    launches_of_a_layer = _KERNELS_OF_A_LAYER if compiled and work.compilable else _EAGER_LAUNCHES_OF_A_LAYER
    time_step_kernels = work.time_steps * _KERNELS_OF_A_TIME_STEP
    launching = LAUNCH_S * passes * (work.layers * launches_of_a_layer + time_step_kernels)
    running = _SMALLEST_KERNEL_S * passes * (work.layers * _KERNELS_OF_A_LAYER + time_step_kernels)
    return max(arithmetic_s / gpus, launching, running / share)
