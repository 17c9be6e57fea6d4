"""The type that matrix products of a simulated world use."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal

import torch

Precision = Literal["auto", "float32", "bfloat16"]


def choose_precision(precision: Precision, device: torch.device, backend: str = "eager") -> torch.dtype:
    """The type that matrix products use, unless told otherwise: bfloat16 on a GPU and, by torch, on a CPU with AMX.

    Args:
        backend: what runs the network, see `network`; on a CPU all but torch's own way take float32, and are faster.
    """
    if precision != "auto":
        return torch.bfloat16 if precision == "bfloat16" else torch.float32
    fast = device.type == "cuda" or (backend == "eager" and bool(torch.cpu._is_amx_tile_supported()))
    return torch.bfloat16 if fast else torch.float32


def autocast(device: torch.device, dtype: torch.dtype, *, cache: bool = True) -> AbstractContextManager[Any]:
    """Matrix products in `dtype` on a device; nothing on one that has no autocast, such as the one without data.

    Args:
        cache: keep converted weights until the end; not where a graph is captured, which would not contain the
            conversion and read what is gone by its first replay.
    """
    if not torch.amp.is_autocast_available(device.type):
        return nullcontext()
    return torch.autocast(device.type, dtype, enabled=dtype != torch.float32, cache_enabled=cache)
