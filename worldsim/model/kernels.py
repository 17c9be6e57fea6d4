"""What the compiled twins of torch code share: when they may run, how they are found, how tensors reach them."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import Parameter


def has_numbers(tensor: Tensor) -> bool:
    """Whether compiled code may read it: floats on the CPU, and nothing is learned from what comes of them."""
    return in_memory(tensor) and tensor.dtype == torch.float32 and not tensor.requires_grad


def in_memory(tensor: Tensor) -> bool:
    """Whether its numbers, of any kind, are there and on the CPU."""
    return type(tensor) in (Tensor, Parameter) and tensor.device.type == "cpu"


@functools.cache
def kernel(module: str, name: str) -> Callable[..., None]:
    """The function `name` of `worldsim.model._MODULE_kernel`; numba is imported when the first one is asked for."""
    found: Callable[..., None] = getattr(importlib.import_module(f"worldsim.model._{module}_kernel"), name)
    return found


def arrays(*tensors: Tensor) -> list[NDArray[Any]]:
    """Tensors as kernels take them, float32 and in one piece; those that are so already are not copied."""
    return [_array(t) for t in tensors]


def _array(tensor: Tensor) -> NDArray[Any]:
    # Of two hundred a frame most need nothing of this, and every call of torch costs a microsecond or two.
    if tensor.requires_grad:
        tensor = tensor.detach()
    if tensor.dtype != torch.float32:
        tensor = tensor.float()
    return (tensor if tensor.is_contiguous() else tensor.contiguous()).numpy()
