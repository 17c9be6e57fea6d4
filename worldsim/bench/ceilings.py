"""What the machine can do at best, measured beside the figures that are held against it."""

from __future__ import annotations

import time
from collections.abc import Callable

from worldsim.bench.report import Row

SIDE = 1024
"""Rows and columns of the matrices."""
COPIED = 64 * 2**20
"""Bytes that are copied: more than most caches hold."""


def ceilings(device: str = "cpu", tries: int = 10) -> Row:
    """The best rate of float32 matrix products (`matrix_gflop_s`) and of copying (`copy_gb_s`, read and written)."""
    return {"matrix_gflop_s": matrix_rate(device, tries), "copy_gb_s": copy_rate(device, tries)}


def matrix_rate(device: str, tries: int = 10, *, side: int = SIDE, dtype: str = "float32") -> float:
    """The best rate of products of square matrices, in GFLOP/s."""
    import torch

    a, b = (torch.randn(side, side, device=device).to(getattr(torch, dtype)) for _ in range(2))
    return 2 * side**3 / best(lambda: a @ b, device, tries) / 1e9


def copy_rate(device: str, tries: int = 10, *, copied: int = COPIED) -> float:
    """The best rate of copying `copied` bytes, read and written, in GB/s."""
    import torch

    source = torch.zeros(copied // 4, device=device)
    target = torch.empty_like(source)
    return 2 * copied / best(lambda: target.copy_(source), device, tries) / 1e9


def best(work: Callable[[], object], device: str, tries: int) -> float:
    """The shortest time of `work` in seconds."""
    import torch

    spent = []
    for _ in range(tries + 1):
        begin = time.perf_counter()
        work()
        if device.startswith("cuda"):
            torch.cuda.synchronize()
        spent.append(time.perf_counter() - begin)
    return min(spent[1:])


def count_flops(work: Callable[[], object]) -> int:
    """Floating-point operations of the products and convolutions in `work`, by shapes; a product and a sum are two."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        work()
    return int(counter.get_total_flops())
